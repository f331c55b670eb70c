"""Prompt templates: text with {slots}."""

import re
from collections.abc import Mapping

from prefdelta.core.errors import StudyError

_SLOT = re.compile(r"\{([a-z_]+)\}")


def fill(template: str, values: Mapping[str, str], where: str) -> str:
    """Put `values` into the `{slots}` of `template`, in one pass: braces inside a value stay as they are.

    Raises StudyError if the template has a slot without a value or lacks one it is given. `where` names the file.
    """
    slots = set(_SLOT.findall(template))
    if slots != set(values):
        raise StudyError(
            f"{where}: the template has the slots {_names(slots)}, but must have exactly {_names(set(values))}."
        )
    return _SLOT.sub(lambda slot: values[slot[1]], template)


def ask_problem(template: str, problem: str, where: str, system: str | None = None) -> tuple[tuple[str, str], ...]:
    """The (role, content) messages that put a problem to a model: in generation, training and evaluation alike.

    system: what the model is told first; some models need it to reason at all.
    """
    asked = ("user", fill(template, {"problem": problem}, where))
    return (asked,) if system is None else (("system", system), asked)


def _names(slots: set[str]) -> str:
    return ", ".join("{" + slot + "}" for slot in sorted(slots)) or "none"
