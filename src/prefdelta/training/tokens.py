"""The checked token ids of a prompt and its completion, for training and for reference log-probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from prefdelta.core.asking.stored_reasoning import as_generated
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.models.chat_templates import render
from prefdelta.training.spelling import UnfitTraceError, check_text, control_ids, ids_after, text_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

T = TypeVar("T")
_Asked = tuple[tuple[str, str], ...]  # messages, as a key


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of one prompt with one completion; the model sees prompt + completion."""

    prompt: list[int]
    completion: list[int]  # ends with the end-of-sequence token

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True, slots=True)
class PreferenceRow:
    """One pair, ready for training: token ids, and the reference's log-probabilities in nats.

    Both sides share the tokens of the prompt.
    """

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
    ref_chosen_logps: float | None  # summed over the completion; None if the method needs no reference
    ref_rejected_logps: float | None

    def reference(self) -> tuple[float, float]:
        """(reference sum of the chosen trace, that of the rejected trace), in nats."""
        assert self.ref_chosen_logps is not None
        assert self.ref_rejected_logps is not None
        return self.ref_chosen_logps, self.ref_rejected_logps


@dataclass(frozen=True, slots=True)
class PairTexts:
    """One pair as texts, which determine its PreferenceRow together with the tokenizer."""

    messages: Sequence[tuple[str, str]]  # (role, content)
    chosen: str
    rejected: str
    ref_chosen_logps: float | None  # nats
    ref_rejected_logps: float | None

    def tokenised(self, tokenise: "Tokeniser") -> PreferenceRow:
        """The pair as token ids. Raises StudyError like `Tokeniser`."""
        chosen, rejected = (tokenise(self.messages, text) for text in (self.chosen, self.rejected))
        return PreferenceRow(
            chosen.prompt, chosen.completion, rejected.completion, self.ref_chosen_logps, self.ref_rejected_logps
        )


_PROBE = "prefdelta"  # a reply that is rendered only to see how the template ends a turn


@dataclass(frozen=True, slots=True)
class _Prompt:
    text: str
    ids: list[int]
    control: set[int]  # token ids that no trace may hold


class Tokeniser:
    """Tokenises traces for one policy. What it has seen before it knows: a batch of arms shares prompts and traces."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", rendering: TemplateSettings = PLAIN) -> None:
        self._tokenizer, self._rendering = tokenizer, rendering
        self._prompts: dict[_Asked, _Prompt | UnfitTraceError] = {}
        self._tokens: dict[tuple[_Asked, str], Tokens | UnfitTraceError] = {}
        self._control: dict[str, set[int]] = {}  # what the template writes around the messages -> control tokens

    def __call__(self, messages: Sequence[tuple[str, str]], completion: str) -> Tokens:
        """The tokens that the model sees when it is asked (role, content) messages, and those that spell `completion`.

        The chat template renders the prompt alone; the completion's own tokens and end-of-sequence follow. The template
        never sees the completion: the templates of reasoning models drop the reasoning from a reply in the messages.
        The completion is the text that the policy would generate: no opening mark if the prompt opens the reasoning.
        The template alone decides whether there is a beginning-of-sequence token, even if the tokenizer has one.
        Raises StudyError if the template writes two, does not end a turn with end-of-sequence, or has closed the
        reasoning that the completion holds: otherwise the model would be trained on a context or a reply that never
        occurs when it is used. Raises UnfitTraceError (`spelling`) for a completion or a problem on which this model
        cannot be trained.
        """
        asked = tuple(messages)
        prompt = self._prompts.get(asked) or self._prompts.setdefault(asked, _or_unfit(self._prompt, asked))
        if isinstance(prompt, UnfitTraceError):
            raise prompt.with_traceback(None)  # raised again, it would keep the frames of each time
        key = asked, completion
        tokens = self._tokens.get(key) or self._tokens.setdefault(key, _or_unfit(self._completed, prompt, completion))
        if isinstance(tokens, UnfitTraceError):
            raise tokens.with_traceback(None)
        return tokens

    def _prompt(self, messages: _Asked) -> _Prompt:
        text = render(self._tokenizer, messages, self._rendering)
        frame = text
        for _, content in messages:
            frame = frame.replace(content.strip(), "")
        if frame not in self._control:
            _check_end(self._tokenizer, messages, self._rendering)
            self._control[frame] = control_ids(self._tokenizer, frame)
        control = self._control[frame]
        for role, content in messages:
            if role == "user":
                check_text(self._tokenizer, "the problem", content, control)
        ids = text_ids(self._tokenizer, text)
        check_beginning(self._tokenizer, ids)
        return _Prompt(text, ids, control)

    def _completed(self, prompt: _Prompt, completion: str) -> Tokens:
        check_text(self._tokenizer, "the trace", completion, prompt.control)
        said = as_generated(prompt.text, completion)
        ids = ids_after(self._tokenizer, prompt.text, prompt.ids, said)
        return Tokens(prompt.ids, [*ids, self._tokenizer.eos_token_id])


def _or_unfit(make: Callable[..., T], *arguments: Any) -> T | UnfitTraceError:
    try:
        return make(*arguments)
    except UnfitTraceError as error:
        return error


def tokenise(
    tokenizer: "PreTrainedTokenizerBase",
    messages: Sequence[tuple[str, str]],
    completion: str,
    rendering: TemplateSettings = PLAIN,
) -> Tokens:
    """One trace, as `Tokeniser` tokenises it."""
    return Tokeniser(tokenizer, rendering)(messages, completion)


def check_beginning(tokenizer: "PreTrainedTokenizerBase", prompt: list[int]) -> int:
    """How many beginning-of-sequence tokens a rendered prompt has. Raises StudyError if there are several."""
    if (count := _beginnings(tokenizer, prompt)) > 1:
        raise StudyError(
            f"a rendered prompt has {count} beginning-of-sequence tokens; 1 is right, or none. Its chat template is at "
            "fault: take another commit of the model, or a local folder with a mended one."
        )
    return count


def _beginnings(tokenizer: "PreTrainedTokenizerBase", ids: list[int]) -> int:
    bos = tokenizer.bos_token_id
    return 0 if bos is None or bos == tokenizer.eos_token_id else ids.count(bos)


def _check_end(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[tuple[str, str]], rendering: TemplateSettings
) -> None:
    rendered = render(tokenizer, [*messages, ("assistant", _PROBE)], rendering, reply=False)
    end = rendered.rpartition(_PROBE)[2]
    if tokenizer.eos_token is None or not end.lstrip().startswith(tokenizer.eos_token):
        raise StudyError(
            f"the rendered completion does not end with end-of-sequence: the template ends a turn with {end!r}, the "
            f"tokenizer's end-of-sequence is {tokenizer.eos_token!r}. The model would be taught another end than the "
            "one it is used with; set eos_token of the tokenizer to the template's, or have the template add it."
        )
