"""What a chat template gets besides the messages: the study's date, and settings of its own."""

import re
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from prefdelta.core.settings import Settings

# Names that are not a template's own settings: arguments of transformers' apply_chat_template, and values that we set.
_TAKEN = (
    *("conversation", "messages", "tools", "documents", "chat_template", "add_generation_prompt"),
    *("continue_final_message", "tokenize", "sanitize_control_tokens", "padding", "truncation", "max_length"),
    *("return_tensors", "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs"),
    *("strftime_now", "raise_exception"),
)


def _iso(value: object) -> object:
    """A date as text: YAML reads 2026-01-31 as a date, and '2026-01-31' as text."""
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


def _a_day(value: str) -> str:
    with suppress(ValueError):
        if date.fromisoformat(value).isoformat() == value:
            return value
    raise ValueError("is not a day of the calendar; write it as 2026-01-31")


def _free(values: object) -> object:
    for name, value in values.items() if isinstance(values, dict) else ():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)) or name in _TAKEN:
            raise ValueError(f"{name!r} cannot be a setting of a chat template; the model's card says which it knows")
        if not isinstance(value, bool | int | float | str | None):
            raise ValueError(f"{name} must be true or false, a number or a text")
    return values


Date = Annotated[str, BeforeValidator(_iso), AfterValidator(_a_day), Field(json_schema_extra={"format": "date"})]
Kwargs = Annotated[dict[str, bool | int | float | str | None], BeforeValidator(_free)]

DEFAULT_DATE = "2026-01-01"  # for a study that sets none, so that no template reads the clock


class TemplateSettings(Settings):
    """How a model's chat template is rendered, wherever the model is asked, trained or scored."""

    date: Date = DEFAULT_DATE
    """Today's date for the template (ISO)."""

    chat_template_kwargs: Kwargs = Field(default_factory=dict)
    """Variables of the template, for example { enable_thinking: true }."""


PLAIN = TemplateSettings.model_construct(date=DEFAULT_DATE, chat_template_kwargs={})  # without compiling its validator
