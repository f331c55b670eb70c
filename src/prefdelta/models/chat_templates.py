"""Chat templates: how messages become a prompt, in generation, training and evaluation alike.

transformers and vLLM let a template read the clock with the function `strftime_now`. Here every template gets the
study's date: a macro of that name, put before the template's text, hides the function. So the program that renders the
template (transformers, or a vLLM server that gets it) needs no change.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.asking.template_settings import TemplateSettings
from prefdelta.core.errors import StudyError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = Sequence[tuple[str, str]]  # (role, content)

_CLOCK, _DATE_STRING = "strftime_now", "date_string"
# The directives of strftime that templates may use, with those of the C library. The time of day is midnight.
_DIRECTIVES = (
    "%-d %-m %-y %-j %-H %-I %-M %-S %a %A %b %B %c %C %d %D %e %F %g %G %h %H %I %j %k %l %m %M %n %p %P %r %R"
)
_MORE_DIRECTIVES = "%S %t %T %u %U %V %w %W %x %X %y %Y %f %z %Z"


def render(
    tokenizer: "PreTrainedTokenizerBase",
    messages: Messages,
    rendering: TemplateSettings,
    reasoning_effort: str | None = None,
    reply: bool = True,
) -> str:
    """The text that the tokenizer's chat template makes of (role, content) messages. For many chats: `render_all`.

    reply: end with the beginning of the assistant's turn. Raises StudyError if there is no template, if it does not use
    the effort or a setting of the rendering, or if it refuses the messages.
    """
    (rendered,) = render_all(tokenizer, [messages], rendering, reasoning_effort, reply)
    return rendered


def render_all(
    tokenizer: "PreTrainedTokenizerBase",
    chats: Sequence[Messages],
    rendering: TemplateSettings,
    reasoning_effort: str | None = None,
    reply: bool = True,
) -> list[str]:
    """What `render` gives for each of the chats, at a third of its cost. Raises as `render` does."""
    if not tokenizer.chat_template:
        raise StudyError("the model's tokenizer has no chat template, without which it cannot be asked.")
    template = tokenizer.get_chat_template()
    spelt_out = [[{"role": role, "content": content} for role, content in messages] for messages in chats]
    more = variables(template, rendering, reasoning_effort)
    from jinja2 import TemplateError

    try:
        rendered = tokenizer.apply_chat_template(
            spelt_out,
            chat_template=dated(template, rendering.date),
            add_generation_prompt=reply,
            tokenize=False,
            **more,
        )
    except TemplateError as error:
        roles = " or ".join(dict.fromkeys(", ".join(role for role, _ in messages) for messages in chats))
        raise StudyError(f"the chat template refuses messages of the roles {roles}: {error}") from None
    return list(map(str, rendered))


def token_ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """The token ids of a rendered text. No special tokens are added, because the template wrote them."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def token_ids_of_all(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """What `token_ids` gives for each of the texts, at half of its cost."""
    return list(tokenizer(list(texts), add_special_tokens=False)["input_ids"])


def variables(template: str, rendering: TemplateSettings, reasoning_effort: str | None = None) -> dict[str, Any]:
    """The variables that the template gets besides the messages. Raises StudyError for one that it does not use."""
    for name in rendering.chat_template_kwargs:
        if not _uses(template, name):
            raise StudyError(
                f"the config sets {name} (models.<model>.chat_template_kwargs), and this model's chat template does "
                "not use it. Take it out; the model's card says what its template knows."
            )
    if reasoning_effort is not None and not _uses(template, "reasoning_effort"):
        raise StudyError(
            f"the config asks for the reasoning effort {reasoning_effort!r}, and this model's chat template knows no "
            "reasoning_effort. Leave it out of sampling."
        )
    effort = {} if reasoning_effort is None else {"reasoning_effort": reasoning_effort}
    return {**_date_string(template, rendering.date), **rendering.chat_template_kwargs, **effort}


@cache
def dated(template: str, day: str) -> str:
    """The template with the date `day` (ISO) in place of the clock; unchanged if it does not read the clock."""
    if not _uses(template, _CLOCK):
        return template
    moment, replaced = datetime.fromisoformat(day), "format.replace('%%', '\\x00')"
    for directive in f"{_DIRECTIVES} {_MORE_DIRECTIVES}".split():
        replaced += f".replace('{directive}', {json.dumps(moment.strftime(directive))})"
    # transformers' environment trims the line break after the block, so the text does not contain it.
    return f"{{% macro {_CLOCK}(format) %}}{{{{ {replaced}.replace('\\x00', '%') }}}}{{% endmacro %}}\n{template}"


def in_key(folder: Path, rendering: TemplateSettings) -> dict[str, Any]:
    """The part of a rendering that determines the prompts of the model in `folder`, for a key of the record.

    The date is included if the template can see it. If the folder is not here, the template counts as one that cannot.
    """
    template = template_in(folder) or ""
    part: dict[str, Any] = {}
    if _uses(template, _CLOCK) or _uses(template, _DATE_STRING):
        part["date"] = rendering.date
    if rendering.chat_template_kwargs:
        part["chat_template_kwargs"] = rendering.chat_template_kwargs
    return {"rendering": part} if part else {}


def template_in(folder: Path) -> str | None:
    """The chat template that transformers would find among a model's files, or None. No tokenizer is loaded."""
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except OSError:
        pass
    try:
        template = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    except (OSError, ValueError, AttributeError):
        return None
    if isinstance(template, list):  # several templates, each with a name
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, Mapping)}
        template = named.get("default")
    return template if isinstance(template, str) else None


@cache
def _uses(template: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", template) is not None


def _date_string(template: str, day: str) -> dict[str, str]:
    """The date as text for templates of Llama's family, which otherwise write a date of 2024; empty for others."""
    return {_DATE_STRING: date.fromisoformat(day).strftime("%d %b %Y")} if _uses(template, _DATE_STRING) else {}
