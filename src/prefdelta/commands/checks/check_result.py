"""The result of a check of `prefdelta doctor`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_SHOWN = 4  # names of a list


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One finding of a check: a line for a person, or an object of `--json`."""

    state: Literal["ok", "warn", "fail"]
    found: str
    to_do: str = ""  # for warn and fail; the text of a StudyError contains it


def ok(found: str) -> CheckResult:
    return CheckResult("ok", found)


def warn(found: str, to_do: str) -> CheckResult:
    return CheckResult("warn", found, to_do)


def fail(found: str, to_do: str = "") -> CheckResult:
    return CheckResult("fail", found, to_do)


NOT_NEEDED = ok("not needed by this study")


def list_names(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
