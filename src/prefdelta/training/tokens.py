"""Tokens of a prompt and of its completion, checked: what training and reference log-probabilities both stand on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefdelta.core.errors import StudyError


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


def tokenise(tokenizer: Any, messages: Sequence[tuple[str, str]], completion: str) -> Tokens:
    """Render (role, content) messages and a completion with the chat template, and split at the completion's start.

    Raises StudyError unless the prompt's tokens are a prefix of prompt + completion, exactly one beginning-of-sequence
    token is there (if the tokenizer has one), and the completion ends with end-of-sequence: otherwise the model would
    be trained on a context that it never sees when it is used.
    """
    prompt_messages = [{"role": role, "content": content} for role, content in messages]
    whole_messages = [*prompt_messages, {"role": "assistant", "content": completion}]
    prompt = tokenizer.apply_chat_template(prompt_messages, add_generation_prompt=True, return_dict=False)
    whole = tokenizer.apply_chat_template(whole_messages, return_dict=False)
    if whole[: len(prompt)] != prompt:
        raise StudyError(
            f"the chat template does not keep the prompt as a prefix: alone it ends in "
            f"{tokenizer.decode(prompt[-8:])!r}, with a completion in {tokenizer.decode(whole[: len(prompt)][-8:])!r}. "
            "Use a template that renders the prompt the same way in both cases."
        )
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if bos is not None and bos != eos and whole.count(bos) != 1:
        raise StudyError(f"the rendered conversation has {whole.count(bos)} beginning-of-sequence tokens; 1 is right.")
    tokens = Tokens(prompt, whole[len(prompt) :])
    if not tokens.completion or tokens.completion[-1] != eos:
        raise StudyError("the rendered completion does not end with end-of-sequence; the template must add it.")
    return tokens
