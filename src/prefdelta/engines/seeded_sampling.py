"""Sampling in which each row of a batch has a seed of its own, so that its tokens do not depend on the other rows."""

from typing import TYPE_CHECKING

from prefdelta.core.asking.requests import Sampling

if TYPE_CHECKING:
    import torch

_DRAWN_AT_ONCE = 512  # values of one row's noise, unless its vocabulary is larger


class SeededSampling:
    """Draws the tokens of a batch: it adds Gumbel noise to the logits and takes the largest, which is exact sampling.

    Each row's noise is a stream of its own seed: one value per token of the vocabulary and step. Noise of several steps
    drawn at once has the values of noise drawn step by step. At temperature 0 there is no noise.
    """

    def __init__(self, sampling: Sampling, seeds: list[int]) -> None:
        import torch
        from transformers import TopPLogitsWarper

        self._temperature = sampling.temperature
        self._top_p = TopPLogitsWarper(sampling.top_p) if sampling.top_p < 1 else None
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds if sampling.temperature > 0]
        self._noise = torch.empty(len(seeds), 0, 0)  # rows x steps x vocabulary
        self._steps_used = 0

    def scores(self, logits: "torch.Tensor") -> "torch.Tensor":
        """The logits (rows x vocabulary) after temperature and top_p: what `draw` draws from."""
        if self._temperature == 0:
            return logits
        scores = logits.float() / self._temperature
        return scores if self._top_p is None else self._top_p(None, scores)

    def draw(self, scores: "torch.Tensor") -> "torch.Tensor":
        """The next token of each row."""
        if self._temperature > 0:
            scores = scores + self._next_noise(scores.shape[1]).to(scores.device)
        return scores.argmax(dim=-1)

    def keep(self, rows: "torch.Tensor") -> None:
        """Go on with some rows of the batch. rows: their places in it."""
        if self._temperature > 0:
            self._generators = [self._generators[row] for row in rows.tolist()]
            self._noise = self._noise[rows.to(self._noise.device)]

    def _next_noise(self, vocabulary: int) -> "torch.Tensor":
        import torch

        if self._steps_used == self._noise.shape[1]:
            steps = max(1, _DRAWN_AT_ONCE // vocabulary)
            exponential = torch.empty(len(self._generators), steps, vocabulary)
            for row, generator in zip(exponential, self._generators, strict=True):
                row.exponential_(generator=generator)
            # -log of an exponential variable is a Gumbel variable.
            self._noise, self._steps_used = exponential.log_().neg_(), 0
        self._steps_used += 1
        return self._noise[:, self._steps_used - 1]


def entropies(scores: "torch.Tensor") -> "torch.Tensor":
    """The entropy of each row's distribution, in nats. scores: rows x vocabulary, -inf for tokens that are left out."""
    import torch

    logps = scores.double().log_softmax(dim=-1)
    # A token that is left out has the log-probability -inf, and adds 0.
    return -(logps.exp() * logps.clamp(min=torch.finfo(logps.dtype).min)).sum(dim=-1)
