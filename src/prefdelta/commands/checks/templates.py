"""How a chat template treats reasoning, dates, a text of its own and beginning-of-sequence: found by rendering."""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from prefdelta.core.asking.stored_reasoning import closed_by, opened_by
from prefdelta.core.asking.template_settings import TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.models.chat_templates import render, token_ids
from prefdelta.training.tokens import check_beginning

_REASONING, _ANSWER = "It is two, of course.", "The answer is two."
_ANOTHER_DAY = "1999-12-31"
_FEWEST_WORDS = 4  # of a template's own text; the names of roles (system, user, assistant) are fewer
_SHOWN = 40  # characters of a template's own text


def describe_template(tokenizer: Any, messages: Sequence[tuple[str, str]], rendering: TemplateSettings) -> list[str]:
    """Remarks on the template of a model that is asked `messages`. Raises StudyError for a prompt with a second BOS."""
    prompt = render(tokenizer, messages, rendering)
    count = check_beginning(tokenizer, token_ids(tokenizer, prompt))
    return [
        "one BOS" if count else "no BOS" if tokenizer.bos_token_id is None else "its template writes no BOS",
        *_reasoning_remarks(tokenizer, messages, rendering, prompt),
        *_date_remarks(tokenizer, messages, rendering, prompt),
        *_own_text_remarks(tokenizer, messages, prompt),
    ]


def _reasoning_remarks(
    tokenizer: Any, messages: Sequence[tuple[str, str]], rendering: TemplateSettings, prompt: str
) -> list[str]:
    remarks = []
    if closed_by(prompt):
        remarks.append("its prompt switches reasoning off")
    elif opened_by(prompt) is not None:
        remarks.append("its prompt opens the reasoning")
    reply = ("assistant", f"<think>\n{_REASONING}\n</think>\n\n{_ANSWER}")
    with suppress(StudyError):  # raised by a template that takes no second question
        later = render(tokenizer, [*messages, reply, ("user", "And then?")], rendering)
        if _REASONING not in later and _ANSWER in later:
            remarks.append("it drops reasoning from earlier replies, which training keeps")
    return remarks


def _date_remarks(
    tokenizer: Any, messages: Sequence[tuple[str, str]], rendering: TemplateSettings, prompt: str
) -> list[str]:
    another = render(tokenizer, messages, rendering.model_copy(update={"date": _ANOTHER_DAY}))
    return [f"it writes the date: {rendering.date} wherever this study asks it"] if another != prompt else []


def _own_text_remarks(tokenizer: Any, messages: Sequence[tuple[str, str]], prompt: str) -> list[str]:
    rest = prompt
    for _, content in messages:
        if content.strip():
            rest = rest.replace(content.strip(), " ")
    for token in sorted(tokenizer.get_added_vocab(), key=len, reverse=True):
        rest = rest.replace(token, " ")
    text = " ".join(rest.split())
    if len(re.findall(r"\w+", text)) < _FEWEST_WORDS:
        return []
    return [f"it adds a text of its own: {text[:_SHOWN]!r}"]
