"""Engine `transformers`: a causal language model in this process, sampled with one seed per request.

Sampling adds Gumbel noise, drawn from the request's own seed, to the logits and takes the largest: this is exact
sampling, and it ties a reply to its request and not to its batch. Batches hold prompts of equal length, so nothing is
padded on the left (which would move logits by 4e-7 and could flip a token); they are cut from the full plan and run
whole, so a resumed job gives the same text.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.options import TransformersOptions
from prefdelta.core.requests import Failure, Reply, Request, Sampling
from prefdelta.models import load_model, load_tokenizer

if TYPE_CHECKING:
    import torch

VERSION = 1  # raise it when the same request would get another reply


class TransformersEngine:
    """Asks the model in `folder`, a checkpoint in Hugging Face format whose files hash to `weights`."""

    def __init__(self, folder: Path, weights: str, options: TransformersOptions) -> None:
        self._folder, self._weights, self._options = folder, weights, options

    def identity(self) -> dict[str, Any]:
        from importlib.metadata import version

        return {
            "engine": "transformers",
            "version": VERSION,
            "transformers": version("transformers"),
            "torch": version("torch"),
            "weights": self._weights,  # covers tokenizer and chat template: they are files of the checkpoint
            "options": self._options.model_dump(),
        }

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        import transformers

        tokenizer = load_tokenizer(self._folder)
        model = load_model(self._folder, self._options.dtype, self._options.threads)
        # Not the checkpoint's own defaults: a repetition penalty in its files would bend the sampling asked for.
        plain: Any = transformers.GenerationConfig
        model.generation_config = plain()
        by_length: dict[tuple[int, str], list[tuple[str, Request, list[int]]]] = {}
        for key, request in plan:
            messages = [{"role": role, "content": content} for role, content in request.messages]
            ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
            if len(ids) + request.sampling.max_tokens > model.config.max_position_embeddings:
                if key in missing:
                    yield Failure(key, "too_long", permanent=True)
                continue
            by_length.setdefault((len(ids), request.sampling.model_dump_json()), []).append((key, request, ids))

        for _, group in sorted(by_length.items()):
            for start in range(0, len(group), self._options.batch_size):
                batch = group[start : start + self._options.batch_size]
                if any(key in missing for key, _, _ in batch):
                    for reply in self._reply(model, tokenizer, batch):
                        if reply.key in missing:
                            yield reply

    def _reply(self, model: Any, tokenizer: Any, batch: list[tuple[str, Request, list[int]]]) -> list[Reply]:
        """Replies to one batch of prompts of equal length."""
        import torch

        sampling = batch[0][1].sampling
        prompts = torch.tensor([ids for _, _, ids in batch], device=model.device)
        with torch.inference_mode():
            output = model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                do_sample=False,
                max_new_tokens=sampling.max_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                logits_processor=[_SeededSampling(sampling, [request.seed for _, request, _ in batch])],
            )
        replies = []
        for (key, _, _), row in zip(batch, output[:, prompts.shape[1] :].tolist(), strict=True):
            stopped = tokenizer.eos_token_id in row
            tokens = row[: row.index(tokenizer.eos_token_id) + 1] if stopped else row
            text = tokenizer.decode(tokens, skip_special_tokens=True)
            replies.append(Reply(key, text, "stop" if stopped else "length", len(tokens)))
        return replies


class _SeededSampling:
    """A logits processor whose largest logit is an exact sample, row by row from one seed each."""

    def __init__(self, sampling: Sampling, seeds: list[int]) -> None:
        import torch
        from transformers import TopPLogitsWarper

        self._temperature = sampling.temperature
        self._top_p = TopPLogitsWarper(sampling.top_p) if sampling.top_p < 1 else None
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        import torch

        if self._temperature == 0:
            return scores
        scores = scores.float() / self._temperature
        if self._top_p is not None:
            scores = self._top_p(input_ids, scores)
        exponential = torch.empty(scores.shape)
        for row, generator in zip(exponential, self._generators, strict=True):
            row.exponential_(generator=generator)
        # -log of an exponential variable is a Gumbel variable.
        return scores - exponential.log().to(scores.device)
