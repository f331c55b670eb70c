"""Chat templates: how messages become a prompt, in generation, training and evaluation alike.

transformers and vLLM let a template read the clock, by `strftime_now`. Here every template gets the study's date: its
text is preceded by a macro of that name, which hides the function. So it is the template that is fixed, and whatever
renders it (transformers here, or a vLLM server that is given it as a file) needs no change of its own.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from prefdelta.core.asking.rendering import Rendering
from prefdelta.core.errors import StudyError

_CLOCK, _DATE_STRING = "strftime_now", "date_string"
# The directives of strftime that templates may use. Those of the C library, too; the day has no hour.
_DIRECTIVES = (
    "%-d %-m %-y %-j %-H %-I %-M %-S %a %A %b %B %c %C %d %D %e %F %g %G %h %H %I %j %k %l %m %M %n %p %P %r %R"
)
_MORE_DIRECTIVES = "%S %t %T %u %U %V %w %W %x %X %y %Y %f %z %Z"


def render(
    tokenizer: Any,
    messages: Sequence[tuple[str, str]],
    rendering: Rendering,
    reasoning_effort: str | None = None,
    reply: bool = True,
) -> str:
    """The text of (role, content) messages as the tokenizer's chat template has them.

    reply: up to where the assistant's turn begins. Raises StudyError if there is no template, for an effort or a
    setting that it does not use, and for messages that it refuses.
    """
    if not tokenizer.chat_template:
        raise StudyError("the model's tokenizer has no chat template, without which it cannot be asked.")
    template = tokenizer.get_chat_template()
    chat = [{"role": role, "content": content} for role, content in messages]
    given = variables(template, rendering, reasoning_effort)
    from jinja2 import TemplateError

    try:
        rendered = tokenizer.apply_chat_template(
            chat,
            chat_template=dated(template, rendering.date),
            add_generation_prompt=reply,
            tokenize=False,
            **given,
        )
    except TemplateError as error:
        roles = ", ".join(role for role, _ in messages)
        raise StudyError(f"the chat template refuses messages of the roles {roles}: {error}") from None
    return str(rendered)


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a rendered text. The template has written all special tokens itself, so none is added."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def variables(template: str, rendering: Rendering, reasoning_effort: str | None = None) -> dict[str, Any]:
    """What the template gets besides the messages. Raises StudyError for what it does not use."""
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


def dated(template: str, day: str) -> str:
    """The template with the date `day` (ISO, at midnight) in the place of the clock; as it is if it reads none."""
    if not _uses(template, _CLOCK):
        return template
    moment, replaced = datetime.fromisoformat(day), "format.replace('%%', '\\x00')"
    for directive in f"{_DIRECTIVES} {_MORE_DIRECTIVES}".split():
        replaced += f".replace('{directive}', {json.dumps(moment.strftime(directive))})"
    # The line break after the block is none of the text: transformers' environment trims it. So the template begins
    # on a line of its own, as it does without the macro.
    return f"{{% macro {_CLOCK}(format) %}}{{{{ {replaced}.replace('\\x00', '%') }}}}{{% endmacro %}}\n{template}"


def in_key(folder: Path, rendering: Rendering) -> dict[str, Any]:
    """What of a rendering determines the prompts of the model in `folder`, for the key of the record.

    The date counts if the template can see it. A folder that is not here is taken for one whose template cannot.
    """
    template = template_in(folder) or ""
    found: dict[str, Any] = {}
    if _uses(template, _CLOCK) or _uses(template, _DATE_STRING):
        found["date"] = rendering.date
    if rendering.chat_template_kwargs:
        found["chat_template_kwargs"] = rendering.chat_template_kwargs
    return {"rendering": found} if found else {}


def template_in(folder: Path) -> str | None:
    """The chat template among a model's files, or None: without loading a tokenizer, as transformers would find it."""
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except OSError:
        pass
    try:
        found = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    except (OSError, ValueError, AttributeError):
        return None
    if isinstance(found, list):  # several, by name
        found = {one.get("name"): one.get("template") for one in found if isinstance(one, Mapping)}.get("default")
    return found if isinstance(found, str) else None


def _uses(template: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", template) is not None


def _date_string(template: str, day: str) -> dict[str, str]:
    """Llama's templates take the date as text if they are given it, and have one of 2024 if they are not."""
    return {_DATE_STRING: date.fromisoformat(day).strftime("%d %b %Y")} if _uses(template, _DATE_STRING) else {}
