"""Prompt templates: text with {slots}."""

import re
from collections.abc import Mapping

from prefdelta.core.errors import StudyError

_SLOT = re.compile(r"\{([a-z_]+)\}")


def fill(template: str, values: Mapping[str, str], where: str) -> str:
    """The template with its `{slots}` filled, in one pass: braces inside a value stay as they are.

    values: slot -> text. where: the template's file, for errors.
    Raises StudyError if the slots are not exactly those that have a value.
    """
    slots = set(_SLOT.findall(template))
    if slots != set(values):
        raise StudyError(
            f"{where}: the template has the slots {_names(slots)}, but must have exactly {_names(set(values))}."
        )
    return _SLOT.sub(lambda slot: values[slot[1]], template)


def ask_problem(template: str, problem: str, where: str, system: str | None = None) -> tuple[tuple[str, str], ...]:
    """The (role, content) messages that ask a model a problem, in generation, training and evaluation alike.

    system: the system prompt; some models reason only with one.
    Raises StudyError like `fill`.
    """
    question = ("user", fill(template, {"problem": problem}, where))
    return (question,) if system is None else (("system", system), question)


def _names(slots: set[str]) -> str:
    return ", ".join("{" + slot + "}" for slot in sorted(slots)) or "none"
