"""The traces that one row of a data set ships, from the columns that `TraceFields` names.

A text is one trace; a list has several. The other columns hold one value per trace: a single value for one trace, a
list of the same length and order for several. Anything else is an error that names the column.
"""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prefdelta.core.data.sources import TraceFields
from prefdelta.core.data.values import is_missing, typed
from prefdelta.core.errors import StudyError

# Words of servers and public data sets, in lower case. Words in none of these lists are refused.
_TRUTHS: dict[str, bool] = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_STOPPED = (
    "stop",  # OpenAI, vLLM, Google, Mistral
    "eos",
    "eos_token",  # TGI
    "end_turn",  # Anthropic; also the next
    "stop_sequence",
    "complete",  # Cohere; also max_tokens
    "completed",  # OpenAI's Responses; also the next
)
_TRUNCATED = (
    "length",  # OpenAI, vLLM, TGI
    "max_tokens",  # Google, Anthropic, Cohere
    "max_length",
    "max_new_tokens",
    "max_output_tokens",
    "model_length",  # Mistral
    "model_context_window_exceeded",  # Anthropic
    "incomplete",
)
_STOPPED_OTHERWISE = ("content_filter", "safety", "recitation", "refusal", "error", "abort", "tool_calls", "tool_use")


@dataclass(frozen=True, slots=True)
class ShippedTrace:
    """One trace; `text` is None if its place in the list is empty."""

    text: str | None
    finish_reason: str  # "stop", "length", or another word of its server: "content_filter", ...
    correct: bool | None  # whether the data set says that it is right

    @property
    def ended_otherwise(self) -> bool:
        return self.finish_reason not in ("stop", "length")


def read_traces(row: Mapping[str, object], fields: TraceFields, where: str) -> list[ShippedTrace]:
    """The traces of a row, in order. Raises StudyError, with the column, for values that cannot be read."""
    for column in fields.columns():
        if column not in row:
            raise StudyError(f"{where}: there is no column {column!r} for its traces. It has: {', '.join(row)}.")
    texts = _texts(row[fields.generations], fields.generations, where)
    complete, finish, correct = (
        _aligned(None if column is None else row[column], column, texts, fields.generations, where)
        for column in (fields.complete, fields.finish, fields.correct)
    )
    return [
        ShippedTrace(
            text,
            _finish_reason(
                fields, _truth(complete[place], fields.complete, where), _ending(finish[place], fields.finish, where)
            ),
            _truth(correct[place], fields.correct, where),
        )
        for place, text in enumerate(texts)
    ]


def _texts(value: object, column: str, where: str) -> list[str | None]:
    if isinstance(value, str):
        if _is_list_as_text(value):
            raise StudyError(
                f"{where}: column {column!r} holds a list that is written as one text: {value[:80]!r}. Write it as a "
                "list in a copy of the data set (JSON lines or Parquet, in a local folder)."
            )
        return [_trace(value)] if _trace(value) is not None else []
    if isinstance(value, list | tuple):
        for element in value:
            if not isinstance(element, str) and not is_missing(element):
                raise StudyError(
                    f"{where}: column {column!r} holds a list of {typed(element)}, where texts should be. Chat "
                    "messages are not read: name a column that has the trace alone, with its reasoning."
                )
        return [_trace(element) for element in value]
    if is_missing(value):
        return []
    raise StudyError(f"{where}: column {column!r} holds {typed(value)}, where a text or a list of texts should be.")


def _trace(value: object) -> str | None:
    """A trace's text; None for a word that means nothing. A blank text is an empty trace."""
    return value if isinstance(value, str) and not (value.strip() and is_missing(value)) else None


def _is_list_as_text(text: str) -> bool:
    """Whether a text is a list of texts or objects in JSON or Python, as in CSV files. `[1, 2]` is an answer."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return False
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return isinstance(value, list) and bool(value) and all(isinstance(item, str | dict | list) for item in value)
    return False


def _aligned(value: object, column: str | None, texts: Sequence[object], of: str, where: str) -> list[object]:
    """A column's values, one per trace; None for each if the column is empty."""
    if isinstance(value, list | tuple):
        if len(value) == len(texts):
            return list(value)
        values = f"a list of {len(value)}"
    elif is_missing(value) or not texts:
        return [None] * len(texts)
    elif len(texts) == 1:
        return [value]
    else:
        values = f"one value, {typed(value)}"
    raise StudyError(
        f"{where}: column {column!r} holds {values}, and column {of!r} has {len(texts)} traces. One value for each "
        "trace is needed, or null if nothing is said of them."
    )


def _truth(value: object, column: str | None, where: str) -> bool | None:
    if isinstance(value, bool) or is_missing(value):
        return value if isinstance(value, bool) else None
    word = value.strip().lower() if isinstance(value, str) else value
    if isinstance(word, int | float) and word in (0, 1):
        return bool(word)
    if isinstance(word, str) and word in _TRUTHS:
        return _TRUTHS[word]
    raise StudyError(
        f"{where}: column {column!r} holds {typed(value)}, where true or false should be. Read are booleans, 0 and 1, "
        f"and in any case of letters {', '.join(_TRUTHS)}; null says nothing."
    )


def _ending(value: object, column: str | None, where: str) -> str | None:
    """How its server says a trace ended: "stop", "length", or the server's own word. None if it says nothing."""
    if is_missing(value):
        return None
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _STOPPED:
        return "stop"
    if word in _TRUNCATED:
        return "length"
    if word in _STOPPED_OTHERWISE:
        return word
    raise StudyError(
        f"{where}: column {column!r} holds {typed(value)}, where a server's reason should be. Read are "
        f"{', '.join(_STOPPED)} (complete), {', '.join(_TRUNCATED)} (truncated), {', '.join(_STOPPED_OTHERWISE)} "
        "(failed); null says nothing. Leave `finish` out of `shipped` if the column says something else."
    )


def _finish_reason(fields: TraceFields, complete: bool | None, finish: str | None) -> str:
    """How a trace ended. With a null in `complete` it is truncated, unless its server said that it stopped."""
    if finish not in (None, "stop"):
        return str(finish)
    if fields.complete is None or complete or (complete is None and finish == "stop"):
        return "stop"
    return "length"
