"""Log-probabilities of completions under a causal language model."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prefdelta.core.recipes import Precision
from prefdelta.models.loading import products_in
from prefdelta.training.tokens import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

POSITIONS = 1024  # positions normalised at a time: the logits of 16,384 positions x 128k tokens of vocabulary are 8 GB


def completion_logps(
    model: "PreTrainedModel", rows: Sequence[Tokens], batch_tokens: int, dtype: Precision = "float32"
) -> Iterator[tuple[int, float]]:
    """Yield (index of a row, log-probability of its completion in nats), the shortest rows first.

    The log-probability is summed over the tokens of the completion, end-of-sequence included. dtype: precision of
    the matrix products; the weights keep the dtype of the model.
    A batch holds rows of one length, with at most batch_tokens tokens together (or one row). So nothing is padded:
    padding would change a sum by 1e-6. On a CPU a row's sum has the same bits whatever else is computed with it.
    """
    import torch

    order = sorted(range(len(rows)), key=lambda index: (len(rows[index]), index))
    for batch in _batches(order, rows, batch_tokens):
        # (batch, tokens)
        ids = torch.tensor([rows[index].prompt + rows[index].completion for index in batch], device=model.device)
        with torch.inference_mode(), products_in(dtype):
            logits = model(input_ids=ids, use_cache=False).logits  # (batch, tokens, vocabulary)
        prompt = min(len(rows[index].prompt) for index in batch)  # tokens that no completion of the batch has
        token_logps = torch.cat(  # (batch, tokens - prompt), float32 nats: of each token after these
            [
                part.float().log_softmax(-1).gather(-1, following[..., None]).squeeze(-1)
                for part, following in zip(
                    torch.split(logits[:, prompt - 1 : -1], POSITIONS, 1),
                    torch.split(ids[:, prompt:], POSITIONS, 1),
                    strict=True,
                )
            ],
            dim=1,
        )
        for index, of_row in zip(batch, token_logps, strict=True):
            yield index, of_row[len(rows[index].prompt) - prompt :].sum().item()


def _batches(order: list[int], rows: Sequence[Tokens], batch_tokens: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in order:
        length = len(rows[index])
        if batch and (length != len(rows[batch[0]]) or (len(batch) + 1) * length > batch_tokens):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
