"""Tokens that spell a text exactly: what follows a prompt, and texts that cannot be tokens of a policy's reply.

A tokenizer may put a space before a text, or take white space from behind a special token; and it turns a control token
that a text only mentions into the token itself. What a policy learns must spell the trace, no more and no less.
"""

import re
from collections.abc import Iterator
from typing import Any
from unicodedata import normalize

from prefdelta.core.asking.thinking import CLOSE, OPEN
from prefdelta.core.errors import StudyError
from prefdelta.models.chat_templates import token_ids

CONTROL_TOKEN, NOT_SPELT = "control_token", "not_spelt"
UNFIT = (CONTROL_TOKEN, NOT_SPELT)  # what may be wrong with one trace, or with its problem
_MARKS = (OPEN, CLOSE)  # a model writes them itself, in some vocabularies as special tokens
# Behind one of these, a text begins as in the middle of another. Several, since a token may begin with any of them.
_NEUTRAL = ("\n", ":", "a")
_SHOWN = 40  # characters of a text in an error


class UnfitTraceError(StudyError):
    """A trace, or its problem, that one policy cannot be trained on, while it can on others."""

    def __init__(self, failure: str, told: str) -> None:
        """failure: one of UNFIT."""
        super().__init__(told)
        self.failure = failure


def text_ids(tokenizer: Any, text: str) -> list[int]:
    """The token ids of a text that has all its special tokens: none is added.

    Raises UnfitTraceError if the tokenizer has no tokens for it.
    """
    try:
        return token_ids(tokenizer, text)
    except Exception as error:  # the library's own type: a vocabulary without a token for what is unknown
        raise UnfitTraceError(NOT_SPELT, f"the tokenizer cannot read {_shown(text)}: {error}") from None


def control_ids(tokenizer: Any, frame: str) -> set[int]:
    """The tokens that a text of others can only mention: those that the tokenizer calls special, and those of turns.

    Some tokenizers add the tokens that begin a turn without calling them special (DeepSeek's, from memory).
    frame: what the chat template writes around messages.
    """
    added = {number: token for number, token in tokenizer.added_tokens_decoder.items() if token.content.strip()}
    special = {number for number, token in added.items() if token.special} | set(tokenizer.all_special_ids)
    framing = added.keys() & set(text_ids(tokenizer, frame))
    marks = {number for number, token in added.items() if token.content in _MARKS}
    return (special | framing) - marks


def check_text(tokenizer: Any, name: str, text: str, control: set[int]) -> None:
    """Raise UnfitTraceError if a text of others would be read as a control token, which it can only mention.

    It is not read as text instead: text and token cannot be told apart again when the policy is asked, and
    `split_special_tokens` of the library still gives the token where the model's own vocabulary has it. name: of the
    text, in the error.
    """
    for token in text_ids(tokenizer, text):
        if token in control:
            written = tokenizer.convert_ids_to_tokens(token)
            if token == tokenizer.unk_token_id and written not in text:
                raise UnfitTraceError(NOT_SPELT, f"the tokenizer has no token for a part of {name} {_shown(text)}.")
            raise UnfitTraceError(
                CONTROL_TOKEN, f"{name} holds {written!r} as text, which is a control token of the policy."
            )


def ids_after(tokenizer: Any, text: str, prompt: list[int], completion: str) -> list[int]:
    """Token ids that spell `completion` after the prompt `text`, whose ids are `prompt`.

    As a whole, if the prompt's tokens stay as they are: a model cannot merge characters across the border, since they
    are there when it starts. Else the completion by itself, or as behind a character that keeps a space from being
    added. Raises UnfitTraceError if none of these spells it.
    """
    before = _text_of(tokenizer, prompt)
    for ids in _ways(tokenizer, text, prompt, completion):
        found = _text_of(tokenizer, prompt + ids)
        if normalize("NFC", found) == normalize("NFC", before + completion):  # many vocabularies know only this form
            return ids
    whole = _text_of(tokenizer, text_ids(tokenizer, text + completion))
    at = next((at for at, (one, other) in enumerate(zip(whole, text + completion, strict=False)) if one != other), -1)
    raise UnfitTraceError(
        NOT_SPELT,
        f"the completion {_shown(completion)} after a prompt that ends in {text[-8:]!r} is not given back by its "
        f"tokens: at the first difference they say {_shown(whole[max(0, at - 4) :])}.",
    )


def _ways(tokenizer: Any, text: str, prompt: list[int], completion: str) -> Iterator[list[int]]:
    whole = text_ids(tokenizer, text + completion)
    if whole[: len(prompt)] == prompt:
        yield whole[len(prompt) :]
    yield text_ids(tokenizer, completion)
    for neutral in _NEUTRAL:
        ids = _behind(tokenizer, neutral, completion)
        if ids is not None:
            yield ids


def _behind(tokenizer: Any, neutral: str, text: str) -> list[int] | None:
    """The ids of a text, each part of it between added tokens as if it stood behind `neutral`; None if they merge."""
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


def _text_of(tokenizer: Any, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
