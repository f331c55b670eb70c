"""Engine `transformers`: a causal language model in this process, sampled with one seed per request.

Sampling adds Gumbel noise, drawn from the request's own seed, to the logits and takes the largest: this is exact
sampling, and it ties a reply to its request and not to its batch. Batches hold prompts of equal length, so nothing is
padded on the left (which would move logits by 4e-7 and could flip a token); they are cut from the full plan and run
whole, so a resumed job gives the same text. Only a batch that raises is asked again row by row, to find the prompt that
is to blame; rows of equal length have the same bits alone.
"""

import traceback
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.errors import StudyError
from prefdelta.core.memory import is_out_of_memory
from prefdelta.core.options import TransformersOptions
from prefdelta.core.requests import Failure, Quarantine, Reply, Request, Sampling
from prefdelta.files import say
from prefdelta.models import load_model, load_tokenizer

if TYPE_CHECKING:
    import torch

VERSION = 1  # raise it when the same request would get another reply
_Row = tuple[str, Request, list[int]]  # key, request, its prompt's token ids


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
        by_length: dict[tuple[int, str], list[_Row]] = {}
        for key, request in plan:
            messages = [{"role": role, "content": content} for role, content in request.messages]
            ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
            if len(ids) + request.sampling.max_tokens > model.config.max_position_embeddings:
                if key in missing:
                    yield Failure(key, "too_long", permanent=True)
                continue
            by_length.setdefault((len(ids), request.sampling.model_dump_json()), []).append((key, request, ids))

        quarantine = Quarantine()
        for _, group in sorted(by_length.items()):
            for start in range(0, len(group), self._options.batch_size):
                batch = group[start : start + self._options.batch_size]
                if any(key in missing for key, _, _ in batch):
                    yield from self._ask(model, tokenizer, batch, missing, quarantine)
        yield from quarantine.rest()

    def _ask(
        self, model: Any, tokenizer: Any, batch: list[_Row], missing: Collection[str], quarantine: Quarantine
    ) -> Iterator[Reply | Failure]:
        """Ask a batch as one; if that raises, ask what is missing of it row by row."""
        replies = self._reply_or_told(model, tokenizer, batch)
        if not isinstance(replies, str):
            for reply in replies:
                if reply.key in missing:
                    yield from quarantine.settle(reply)
            return
        say(f"warning: a batch of {len(batch)} prompts raised this; what is missing of it is asked one by one.")
        for row in batch:
            key, request, _ = row
            if key in missing:
                alone = self._reply_or_told(model, tokenizer, [row])
                if isinstance(alone, str):
                    quarantine.blame(key, request, alone)
                else:
                    yield from quarantine.settle(alone[0])

    def _reply_or_told(self, model: Any, tokenizer: Any, batch: list[_Row]) -> list[Reply] | str:
        """Replies to a batch, or what it raised if a prompt may be to blame; other errors are raised."""
        try:
            return self._reply(model, tokenizer, batch)
        except Exception as error:
            _raise_unless_by_a_prompt(error, model, tokenizer)
            return f"{type(error).__name__}: {error}"

    def _reply(self, model: Any, tokenizer: Any, batch: list[_Row]) -> list[Reply]:
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


def _raise_unless_by_a_prompt(error: Exception, model: Any, tokenizer: Any) -> None:
    """Raise the error again unless the prompts asked may be to blame; else show it in the log.

    Too little memory is none of a prompt's making. And after some errors on a GPU, each call fails until the process
    ends: so the model must still do a tiny one.
    """
    import torch

    if is_out_of_memory(error) or isinstance(error, StudyError):
        raise error
    say("".join(traceback.format_exception(error)).rstrip())
    try:
        with torch.inference_mode():
            model(torch.tensor([[tokenizer.eos_token_id]], device=model.device)).logits.tolist()
    except Exception:
        raise StudyError(
            f"a batch of prompts raised {type(error).__name__} ({error}), and since then the model cannot do a single "
            "token. What was answered is recorded. Mend the cause, as shown above; the same command goes on."
        ) from error


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
