"""Conditions on pairs, as people write them: `delta:mean>=1`, `cell=right-wrong`."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prefdelta.core.errors import StudyError

Value = float | str | None  # bool and int among them
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORM = re.compile(r"\s*([^=!<>\s]+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    key: str
    sign: str
    wanted: str

    def holds(self, value: Value) -> bool:
        """Whether a value fits. What is not known never does. Raises StudyError if the two cannot be compared."""
        if value is None:
            return False
        return _OPERATORS[self.sign](value, self._as(value))

    def _as(self, value: float | str) -> float | str:
        """What is wanted, of the kind of a value."""
        if isinstance(value, bool):
            if self.wanted not in ("true", "false") or self.sign not in ("=", "!="):
                raise StudyError(f"--where {self}: {self.key} is true or false; write {self.key}=true.")
            return self.wanted == "true"
        if isinstance(value, str):
            return self.wanted
        try:
            return float(self.wanted)
        except ValueError:
            raise StudyError(f"--where {self}: {self.key} is a number, and {self.wanted!r} is none.") from None

    def __str__(self) -> str:
        return f"{self.key}{self.sign}{self.wanted}"


def parse_condition(text: str) -> Condition:
    """Raises StudyError for a text of another form."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise StudyError(
            f"--where {text!r}: is not a condition; they read KEY, one of {' '.join(_OPERATORS)}, and a value, as in "
            "'delta:mean>=1' or cell=right-wrong."
        )
    return Condition(*match.groups())
