"""Tokens of a prompt and of its completion, checked: what training and reference log-probabilities both stand on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.training.spelling import check_text, control_ids, ids_after, text_ids


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of one prompt with one completion; the model sees prompt + completion."""

    prompt: list[int]
    completion: list[int]  # ends with the end-of-sequence token


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """One pair, ready for training. Both sides share the prompt's tokens; the logps are the reference's, in nats."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
    ref_chosen_logps: float | None  # summed over the completion; None where the method needs no reference
    ref_rejected_logps: float | None

    def reference(self) -> tuple[float, float]:
        """Reference sums of chosen and rejected."""
        assert self.ref_chosen_logps is not None
        assert self.ref_rejected_logps is not None
        return self.ref_chosen_logps, self.ref_rejected_logps


@dataclass(frozen=True, slots=True)
class PairTexts:
    """One pair as texts: with the tokenizer they determine its PreferenceRow."""

    messages: Sequence[tuple[str, str]]  # (role, content)
    chosen: str
    rejected: str
    ref_chosen_logps: float | None  # nats
    ref_rejected_logps: float | None

    def tokenised(self, tokenizer: Any) -> PreferenceRow:
        """Raises StudyError as `tokenise` does."""
        chosen, rejected = (tokenise(tokenizer, self.messages, text) for text in (self.chosen, self.rejected))
        return PreferenceRow(
            chosen.prompt, chosen.completion, rejected.completion, self.ref_chosen_logps, self.ref_rejected_logps
        )


_PROBE = "prefdelta"  # a reply rendered only to see how the template ends a turn
_THOUGHT = "<think>"


def tokenise(tokenizer: Any, messages: Sequence[tuple[str, str]], completion: str) -> Tokens:
    """What the model sees when it is asked (role, content) messages, and what it would generate to say `completion`.

    The chat template renders the prompt alone, and the completion's own tokens and end-of-sequence follow. The template
    never sees the completion: those of reasoning models drop all that is thought from a reply that is there already.
    Where the prompt itself opens the thought, a completion that opens it too loses its own tag.
    Raises StudyError unless there is exactly one beginning-of-sequence token (if the tokenizer has one) and the
    template ends a turn with end-of-sequence: otherwise the model would be trained on a context or a reply that it
    never sees when it is used. Raises UnfitTraceError (`spelling`) for a completion or a problem that this model cannot
    be trained on, while it can on others.
    """
    asked = [{"role": role, "content": content} for role, content in messages]
    text = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    _check_end(tokenizer, asked)
    frame = text
    for _, content in messages:
        frame = frame.replace(content.strip(), "")
    control = control_ids(tokenizer, frame)
    for role, content in messages:
        if role == "user":
            check_text(tokenizer, "the problem", content, control)
    check_text(tokenizer, "the trace", completion, control)
    prompt = text_ids(tokenizer, text)
    said = _without_opened_thought(text, completion)
    tokens = Tokens(prompt, [*ids_after(tokenizer, text, prompt, said), tokenizer.eos_token_id])
    bos = tokenizer.bos_token_id
    found = (tokens.prompt + tokens.completion).count(bos)
    if bos is not None and bos != tokenizer.eos_token_id and found != 1:
        raise StudyError(f"the rendered conversation has {found} beginning-of-sequence tokens; 1 is right.")
    return tokens


def _check_end(tokenizer: Any, asked: list[dict[str, str]]) -> None:
    rendered = tokenizer.apply_chat_template([*asked, {"role": "assistant", "content": _PROBE}], tokenize=False)
    end = rendered.rpartition(_PROBE)[2]
    if tokenizer.eos_token is None or not end.lstrip().startswith(tokenizer.eos_token):
        raise StudyError(
            f"the rendered completion does not end with end-of-sequence: the template ends a turn with {end!r}, the "
            f"tokenizer's end-of-sequence is {tokenizer.eos_token!r}. The model would be taught another end than the "
            "one it is used with; set eos_token of the tokenizer to the template's, or have the template add it."
        )


def _without_opened_thought(prompt: str, completion: str) -> str:
    """The completion without the tag (and the white space around it) with which the prompt ends already."""
    opening = prompt.rstrip()
    if not (opening.endswith(_THOUGHT) and completion.lstrip().startswith(_THOUGHT)):
        return completion
    said = completion.lstrip().removeprefix(_THOUGHT)
    return said.removeprefix(prompt[len(opening) :])
