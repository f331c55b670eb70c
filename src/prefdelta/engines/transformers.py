"""Engine `transformers`: a causal language model in this process, sampled with one seed per request.

Sampling adds Gumbel noise, drawn from the request's own seed, to the logits and takes the largest: this is exact
sampling, and a reply depends on its request, not on its batch. Batches hold prompts of equal length, so nothing is
padded on the left (which would move logits by 4e-7 and could flip a token). Batches are made from the full plan and run
whole, so a resumed job gives the same text. Only a batch that raises is asked again row by row, to find the prompt that
is to blame; rows of equal length give the same bits alone as in a batch.
"""

import traceback
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.asking.engine_options import TransformersOptions
from prefdelta.core.asking.requests import CrashQuarantine, Failure, Reply, Request, Sampling
from prefdelta.core.asking.stored_reasoning import whole_reply
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.core.memory import is_out_of_memory
from prefdelta.models.chat_templates import in_key, render, token_ids
from prefdelta.models.loading import load_model, load_tokenizer
from prefdelta.system.log import say
from prefdelta.system.processes import uninterrupted

if TYPE_CHECKING:
    import torch

VERSION = 2  # raise it when the same request would get another reply


@dataclass(frozen=True, slots=True)
class _RenderedRequest:
    """A request, its key, and its rendered prompt."""

    key: str
    request: Request
    prompt: str
    ids: list[int]


class TransformersEngine:
    """Asks the model in `folder`, a checkpoint in Hugging Face format whose files hash to `weights`."""

    def __init__(
        self, folder: Path, weights: str, options: TransformersOptions, rendering: TemplateSettings = PLAIN
    ) -> None:
        self._folder, self._weights, self._options, self._rendering = folder, weights, options, rendering

    def identity(self) -> dict[str, Any]:
        from importlib.metadata import version

        return {
            "engine": "transformers",
            "version": VERSION,
            "transformers": version("transformers"),
            "torch": version("torch"),
            "weights": self._weights,  # with tokenizer and chat template, which are files of the checkpoint
            "options": self._options.model_dump(),
            **in_key(self._folder, self._rendering),
        }

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        import transformers

        tokenizer = load_tokenizer(self._folder)
        model = load_model(self._folder, self._options.dtype, self._options.threads)
        # The checkpoint's own defaults are not used: a repetition penalty in its files would change the sampling.
        # Only the tokens that end a reply are taken from its files.
        stops = _stop_tokens(model.generation_config.eos_token_id, tokenizer.eos_token_id)
        plain: Any = transformers.GenerationConfig
        model.generation_config = plain()
        by_length: dict[tuple[int, str], list[_RenderedRequest]] = {}
        for key, request in plan:
            prompt = render(tokenizer, request.messages, self._rendering, request.sampling.reasoning_effort)
            ids = token_ids(tokenizer, prompt)
            if len(ids) + request.sampling.max_tokens > model.config.max_position_embeddings:
                if key in missing:
                    yield Failure(key, "too_long", permanent=True)
                continue
            by_length.setdefault((len(ids), request.sampling.model_dump_json()), []).append(
                _RenderedRequest(key, request, prompt, ids)
            )

        quarantine = CrashQuarantine()
        for _, group in sorted(by_length.items()):
            for start in range(0, len(group), self._options.batch_size):
                batch = group[start : start + self._options.batch_size]
                if any(row.key in missing for row in batch):
                    yield from self._ask(model, tokenizer, stops, batch, missing, quarantine)
        yield from quarantine.rest()

    def _ask(
        self,
        model: Any,
        tokenizer: Any,
        stops: list[int],
        batch: list[_RenderedRequest],
        missing: Collection[str],
        quarantine: CrashQuarantine,
    ) -> Iterator[Reply | Failure]:
        """Ask a batch as a whole; if that raises, ask its missing requests row by row."""
        replies = self._reply_or_error(model, tokenizer, stops, batch)
        if not isinstance(replies, str):
            with uninterrupted():  # signals wait until the batch is handed over
                for reply in replies:
                    if reply.key in missing:
                        yield from quarantine.settle(reply)
            return
        say(f"warning: a batch of {len(batch)} prompts raised this error; its prompts are now asked one by one.")
        for row in batch:
            if row.key in missing:
                alone = self._reply_or_error(model, tokenizer, stops, [row])
                if isinstance(alone, str):
                    quarantine.blame(row.key, row.request, alone)
                else:
                    yield from quarantine.settle(alone[0])

    def _reply_or_error(
        self, model: Any, tokenizer: Any, stops: list[int], batch: list[_RenderedRequest]
    ) -> list[Reply] | str:
        """Replies to a batch, or the error's text if a prompt may be to blame; other errors are raised."""
        try:
            return self._reply(model, tokenizer, stops, batch)
        except Exception as error:
            _raise_unless_by_a_prompt(error, model, tokenizer)
            return f"{type(error).__name__}: {error}"

    def _reply(self, model: Any, tokenizer: Any, stops: list[int], batch: list[_RenderedRequest]) -> list[Reply]:
        """Replies to one batch of prompts of equal length."""
        import torch

        sampling = batch[0].request.sampling
        sampler = _SeededSampling(
            sampling, [row.request.seed for row in batch], any(row.request.with_entropy for row in batch)
        )
        prompts = torch.tensor([row.ids for row in batch], device=model.device)
        with torch.inference_mode():
            output = model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                do_sample=False,
                max_new_tokens=sampling.max_tokens,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=stops,
                logits_processor=[sampler],
            )
        replies, entropies = [], sampler.entropies()
        for number, (row, tokens) in enumerate(zip(batch, output[:, prompts.shape[1] :].tolist(), strict=True)):
            end = next((at for at, token in enumerate(tokens) if token in stops), None)
            # Special tokens stay in the text, as in engine vllm: some models mark their reasoning with them.
            text = tokenizer.decode(tokens[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False)
            count = len(tokens) if end is None else end + 1
            reason = "length" if end is None else "stop"
            entropy = round(sum(entropies[number][:count]), 6) if row.request.with_entropy and entropies else None
            replies.append(Reply(row.key, whole_reply(row.prompt, text), reason, count, entropy=entropy))
        return replies


def _stop_tokens(*tokens: int | list[int] | None) -> list[int]:
    """The tokens that end a reply: those of the generation config, and the tokenizer's end-of-sequence."""
    flat = [token for item in tokens for token in (item if isinstance(item, list) else [item]) if token is not None]
    return list(dict.fromkeys(flat))


def _raise_unless_by_a_prompt(error: Exception, model: Any, tokenizer: Any) -> None:
    """Raise the error again unless the prompts asked may be to blame; else show it in the log.

    A prompt is not to blame for too little memory. After some errors on a GPU each call fails until the process ends,
    so the model is tried with a single token.
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
    """A logits processor after which the largest logit is an exact sample. Each row has its own seed.

    with_entropy: it keeps the entropy of what each token is drawn from (after temperature and top_p), exactly.
    """

    def __init__(self, sampling: Sampling, seeds: list[int], with_entropy: bool = False) -> None:
        import torch
        from transformers import TopPLogitsWarper

        self._temperature = sampling.temperature
        self._top_p = TopPLogitsWarper(sampling.top_p) if sampling.top_p < 1 else None
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._steps: list[torch.Tensor] | None = [] if with_entropy and sampling.temperature > 0 else None

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        import torch

        if self._temperature == 0:
            return scores
        scores = scores.float() / self._temperature
        if self._top_p is not None:
            scores = self._top_p(input_ids, scores)
        if self._steps is not None:
            logps = scores.double().log_softmax(dim=-1)
            # A token that top_p leaves out has the log-probability -inf, and adds 0.
            self._steps.append(-(logps.exp() * logps.clamp(min=torch.finfo(logps.dtype).min)).sum(dim=-1))
        exponential = torch.empty(scores.shape)
        for row, generator in zip(exponential, self._generators, strict=True):
            row.exponential_(generator=generator)
        # -log of an exponential variable is a Gumbel variable.
        return scores - exponential.log().to(scores.device)

    def entropies(self) -> list[list[float]]:
        """Nats by row and token, of all tokens that were drawn; empty if they were not kept."""
        import torch

        steps: list[list[float]] = torch.stack(self._steps, dim=1).tolist() if self._steps else []
        return steps
