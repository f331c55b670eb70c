"""Cells of data sets, which hold values of JSON or Arrow, as texts."""

from prefdelta.core.errors import StudyError

_NOTHING = frozenset({"", "nan", "null", "none", "n/a", "<na>"})  # words for nothing, in lower case


class RejectedRowError(Exception):
    """A row from which no prompt is made. The text is the reason."""


def is_missing(value: object) -> bool:
    """Whether a cell holds nothing: null, NaN, blank, or one of these as a word ("NaN", "null", "None")."""
    if isinstance(value, str):
        return value.strip().lower() in _NOTHING
    return value is None or (isinstance(value, float) and value != value)


def typed(value: object) -> str:
    """A value with its type, for a message: int '7'."""
    return f"{type(value).__name__} {str(value)[:80]!r}"


def clean(text: str) -> str:
    """The text, unchanged. Raises RejectedRowError if Arrow, JSON or a tokenizer cannot hold it."""
    if "\0" in text:
        raise RejectedRowError("nul_character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise RejectedRowError("lone_surrogate") from None
    return text


def cell_text(value: object, column: str | None, where: str) -> str | None:
    """A value as a person writes it: 27.0 as 27, a list with commas. None if it is missing.

    Raises StudyError for an object, bytes, or a list in a list, because nobody writes these as an answer.
    """
    if isinstance(value, list | tuple):
        parts = [_scalar(part, value, column, where) for part in value]
        return ", ".join(part for part in parts if part is not None) or None
    return _scalar(value, value, column, where)


def _scalar(value: object, whole: object, column: str | None, where: str) -> str | None:
    if isinstance(value, str):
        return clean(value).strip() or None
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, dict | list | tuple | bytes):
        raise StudyError(
            f"{where}: column {column!r} holds {typed(whole)}, where a text, a number or a list of these should be. "
            "Name a column that has the value itself, or make one in a copy of the data set (a local folder)."
        )
    return None if value is None else str(value)
