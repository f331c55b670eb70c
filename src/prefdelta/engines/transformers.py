"""Engine `transformers`: a causal language model in this process, sampled with one seed per request.

Noise is drawn from the request's own seed, so that a reply depends on its request and not on its batch, but for
rounding: `decoding` says by how much float32 logits move; in 16 bits they move by more. Where the two largest sums of
logit and noise differ by less than that, another batch gives another token. Batches are made from the full plan, by
length of prompt, and run whole, so a resumed job gives the same bits. Another plan (more prompts, more samples) makes
other batches: what it asks anew may differ, in that way, from what a fresh run would write. Only a batch that raises is
asked again row by row, to find the prompt that is to blame.
"""

import traceback
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.core.asking.engine_options import TransformersOptions
from prefdelta.core.asking.requests import CrashQuarantine, Failure, Reply, Request
from prefdelta.core.asking.stored_reasoning import whole_reply
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.core.memory import is_out_of_memory
from prefdelta.engines.decoding import decode, why_not_decoded
from prefdelta.engines.seeded_sampling import SeededSampling
from prefdelta.models.chat_templates import Messages, in_key, render_all, token_ids_of_all
from prefdelta.models.loading import load_model, load_tokenizer
from prefdelta.system.log import say
from prefdelta.system.processes import uninterrupted

VERSION = 3  # raise it when the same request would get another reply


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
        tokenizer = load_tokenizer(self._folder)
        model = load_model(self._folder, self._options.dtype, self._options.threads)
        # Of the checkpoint's generation config, only the tokens that end a reply are used: a repetition penalty would
        # change the sampling.
        config: Any = model.generation_config
        stops = _stop_tokens(config.eos_token_id, tokenizer.eos_token_id)
        rows_of: dict[str, list[_RenderedRequest]] = {}  # those that are sampled alike
        for row in _rendered(tokenizer, plan, self._rendering):
            sampling = row.request.sampling
            if len(row.ids) + sampling.max_tokens <= model.config.max_position_embeddings:
                rows_of.setdefault(sampling.model_dump_json(), []).append(row)
            elif row.key in missing:
                yield Failure(row.key, "too_long", permanent=True)

        ends = (len(row.ids) + row.request.sampling.max_tokens for rows in rows_of.values() for row in rows)
        if reason := why_not_decoded(model, max(ends, default=0)):
            raise StudyError(f"engine transformers cannot ask {self._folder}: {reason}.")
        quarantine, size = CrashQuarantine(), self._options.batch_size
        for _, rows in sorted(rows_of.items()):
            rows.sort(key=lambda row: len(row.ids))
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
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
        """Replies to one batch of prompts."""
        sampling = batch[0].request.sampling
        with_entropy = sampling.temperature > 0 and any(row.request.with_entropy for row in batch)
        seeded = SeededSampling(sampling, [row.request.seed for row in batch])
        decoded = decode(model, [row.ids for row in batch], stops, sampling.max_tokens, seeded, with_entropy)
        replies = []
        for row, (ids, entropy) in zip(batch, decoded, strict=True):
            reason = "stop" if ids[-1] in stops else "length"
            # Special tokens stay in the text, as in engine vllm: some models mark their reasoning with them.
            text = tokenizer.decode(
                ids[:-1] if reason == "stop" else ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            nats = round(entropy, 6) if with_entropy and row.request.with_entropy else None
            replies.append(Reply(row.key, whole_reply(row.prompt, text), reason, len(ids), entropy=nats))
        return replies


def _rendered(
    tokenizer: Any, plan: Sequence[tuple[str, Request]], rendering: TemplateSettings
) -> list[_RenderedRequest]:
    """The requests of a plan, in its order, with their prompts as texts and as token ids."""
    chats: dict[str | None, list[Messages]] = {}  # by reasoning effort
    for _, request in plan:
        chats.setdefault(request.sampling.reasoning_effort, []).append(request.messages)
    rendered = {effort: iter(render_all(tokenizer, those, rendering, effort)) for effort, those in chats.items()}
    prompts = [next(rendered[request.sampling.reasoning_effort]) for _, request in plan]
    ids = token_ids_of_all(tokenizer, prompts)
    return [_RenderedRequest(*asked, text, its) for asked, text, its in zip(plan, prompts, ids, strict=True)]


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
