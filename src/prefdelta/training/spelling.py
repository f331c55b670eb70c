"""Tokens that spell a text exactly after a prompt, and texts that no tokens of a policy's reply can spell.

A tokenizer may put a space before a text, or remove white space behind a special token; and it turns a control token
that a text only mentions into the token itself. The tokens that a policy learns must spell the trace exactly.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from unicodedata import normalize

from prefdelta.core.asking.reasoning_marks import CLOSE, OPEN
from prefdelta.core.errors import StudyError
from prefdelta.models.chat_templates import token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CONTROL_TOKEN, NOT_SPELT = "control_token", "not_spelt"
UNFIT = (CONTROL_TOKEN, NOT_SPELT)  # failures of one trace, or of its problem
_MARKS = (OPEN, CLOSE)  # a model writes them itself, in some vocabularies as special tokens
# Behind one of these, a text is tokenised as in the middle of another. There are several, since a token may begin with
# one of them.
_NEUTRAL = ("\n", ":", "a")
_EXCERPT = 40  # characters of a text in an error


class UnfitTraceError(StudyError):
    """A trace, or its problem, that one policy cannot be trained on, while it can on others."""

    def __init__(self, failure: str, message: str) -> None:
        """failure: one of UNFIT."""
        super().__init__(message)
        self.failure = failure


def text_ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """The token ids of a text that already has its special tokens, so none is added.

    Raises UnfitTraceError if the tokenizer has no tokens for it.
    """
    try:
        return token_ids(tokenizer, text)
    except Exception as error:  # the library's own type of error: the vocabulary has no token for unknown text
        raise UnfitTraceError(NOT_SPELT, f"the tokenizer cannot read {_excerpt(text)}: {error}") from None


def control_ids(tokenizer: "PreTrainedTokenizerBase", frame: str) -> set[int]:
    """The token ids that a trace or a problem must not contain: special tokens, and tokens of the chat template.

    Some tokenizers add the tokens that begin a turn without calling them special (DeepSeek's, from memory).
    frame: what the chat template writes around the messages.
    """
    added = {number: token for number, token in tokenizer.added_tokens_decoder.items() if token.content.strip()}
    special = {number for number, token in added.items() if token.special} | set(tokenizer.all_special_ids)
    framing = added.keys() & set(text_ids(tokenizer, frame))
    marks = {number for number, token in added.items() if token.content in _MARKS}
    return (special | framing) - marks


def check_text(tokenizer: "PreTrainedTokenizerBase", name: str, text: str, control: set[int]) -> None:
    """Raise UnfitTraceError if a trace or a problem would be tokenised to a control token that it only mentions.

    The mention is not tokenised as text, because text and token cannot be told apart when the policy is asked, and the
    library's `split_special_tokens` still gives the token if the model's own vocabulary has it. name: what the error
    calls the text.
    """
    for token in text_ids(tokenizer, text):
        if token in control:
            written = str(tokenizer.convert_ids_to_tokens(token))
            if token == tokenizer.unk_token_id and written not in text:
                raise UnfitTraceError(NOT_SPELT, f"the tokenizer has no token for a part of {name} {_excerpt(text)}.")
            raise UnfitTraceError(
                CONTROL_TOKEN, f"{name} holds {written!r} as text, which is a control token of the policy."
            )


def ids_after(tokenizer: "PreTrainedTokenizerBase", text: str, prompt: list[int], completion: str) -> list[int]:
    """Token ids that spell `completion` after the prompt `text`, whose ids are `prompt`.

    Prompt and completion are tokenised as a whole if this leaves the prompt's tokens unchanged: a model cannot merge
    characters across the border, because the prompt's tokens exist when it starts. Otherwise the completion is
    tokenised alone, or behind a character that prevents an added space. Raises UnfitTraceError if none of these spells
    it.
    """
    before = _text_of(tokenizer, prompt)
    for ids in _candidates(tokenizer, text, prompt, completion):
        spelt = _text_of(tokenizer, prompt + ids)
        if normalize("NFC", spelt) == normalize("NFC", before + completion):  # many vocabularies have only this form
            return ids
    whole = _text_of(tokenizer, text_ids(tokenizer, text + completion))
    pairs = enumerate(zip(whole, text + completion, strict=False))
    place = next((place for place, (spelt, meant) in pairs if spelt != meant), -1)
    raise UnfitTraceError(
        NOT_SPELT,
        f"the completion {_excerpt(completion)} after a prompt that ends in {text[-8:]!r} is not given back by its "
        f"tokens: at the first difference they say {_excerpt(whole[max(0, place - 4) :])}.",
    )


def _candidates(
    tokenizer: "PreTrainedTokenizerBase", text: str, prompt: list[int], completion: str
) -> Iterator[list[int]]:
    whole = text_ids(tokenizer, text + completion)
    if whole[: len(prompt)] == prompt:
        yield whole[len(prompt) :]
    yield text_ids(tokenizer, completion)
    for neutral in _NEUTRAL:
        ids = _behind(tokenizer, neutral, completion)
        if ids is not None:
            yield ids


def _behind(tokenizer: "PreTrainedTokenizerBase", neutral: str, text: str) -> list[int] | None:
    """The ids of a text. Each part between added tokens is tokenised as if behind `neutral`; None if the two merge."""
    added = {token.content: number for number, token in tokenizer.added_tokens_decoder.items()}
    start = text_ids(tokenizer, neutral)
    ids: list[int] = []
    pattern = "|".join(re.escape(content) for content in sorted(added, key=len, reverse=True))
    for part in re.split(f"({pattern})", text) if pattern else [text]:
        if part in added:
            ids.append(added[part])
        elif part:
            whole = text_ids(tokenizer, neutral + part)
            if whole[: len(start)] != start:
                return None
            ids += whole[len(start) :]
    return ids


def _text_of(tokenizer: "PreTrainedTokenizerBase", ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…")
