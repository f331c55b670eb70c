"""What a chat template does with reasoning, dates, a text of its own and beginning-of-sequence: found by rendering."""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from prefdelta.core.asking.rendering import Rendering
from prefdelta.core.asking.thoughts import closed_by, opened_by
from prefdelta.core.errors import StudyError
from prefdelta.models.chat_templates import render, token_ids
from prefdelta.training.tokens import check_beginning

_REASONING, _ANSWER = "It is two, of course.", "The answer is two."
_ANOTHER_DAY = "1999-12-31"
_OWN_WORDS = 4  # more than the names of roles, e.g. system, user, assistant
_SHOWN = 40  # characters of a template's own text


def described(tokenizer: Any, messages: Sequence[tuple[str, str]], rendering: Rendering) -> list[str]:
    """One remark each, of a model that is asked `messages`. Raises StudyError for a prompt with a second BOS."""
    prompt = render(tokenizer, messages, rendering)
    count = check_beginning(tokenizer, token_ids(tokenizer, prompt))
    return [
        "one BOS" if count else "no BOS" if tokenizer.bos_token_id is None else "its template writes no BOS",
        *_of_reasoning(tokenizer, messages, rendering, prompt),
        *_of_date(tokenizer, messages, rendering, prompt),
        *_of_own_text(tokenizer, messages, prompt),
    ]


def _of_reasoning(tokenizer: Any, messages: Sequence[tuple[str, str]], rendering: Rendering, prompt: str) -> list[str]:
    found = []
    if closed_by(prompt):
        found.append("its prompt switches reasoning off")
    elif opened_by(prompt) is not None:
        found.append("its prompt opens the reasoning")
    said = ("assistant", f"<think>\n{_REASONING}\n</think>\n\n{_ANSWER}")
    with suppress(StudyError):  # one that takes no second question
        later = render(tokenizer, [*messages, said, ("user", "And then?")], rendering)
        if _REASONING not in later and _ANSWER in later:
            found.append("it drops reasoning from earlier replies, which training keeps")
    return found


def _of_date(tokenizer: Any, messages: Sequence[tuple[str, str]], rendering: Rendering, prompt: str) -> list[str]:
    another = render(tokenizer, messages, rendering.model_copy(update={"date": _ANOTHER_DAY}))
    return [f"it writes the date: {rendering.date} wherever this study asks it"] if another != prompt else []


def _of_own_text(tokenizer: Any, messages: Sequence[tuple[str, str]], prompt: str) -> list[str]:
    left = prompt
    for _, content in messages:
        if content.strip():
            left = left.replace(content.strip(), " ")
    for token in sorted(tokenizer.get_added_vocab(), key=len, reverse=True):
        left = left.replace(token, " ")
    text = " ".join(left.split())
    if len(re.findall(r"\w+", text)) < _OWN_WORDS:
        return []
    return [f"it adds a text of its own: {text[:_SHOWN]!r}"]
