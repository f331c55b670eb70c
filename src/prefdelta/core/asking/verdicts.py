"""Verdicts: what a judge must reply, and how a reply is read. Any other reply is a typed failure."""

import json
from collections.abc import Sequence
from typing import Any

from prefdelta.core.asking.reasoning_marks import without_thinking

LOWEST, HIGHEST = 1, 5
# Failures of an engine after which the judge is asked again, because it may give a verdict the next time.
NO_VERDICT = ("refusal", "several_choices", "not_text")


class InvalidVerdictError(ValueError):
    """A reply that is not a verdict. The error's text is the kind of failure, e.g. `out_of_range`."""


def verdict_schema(dimensions: Sequence[str]) -> dict[str, Any]:
    """JSON schema of a verdict on `dimensions`: an object with one whole number from 1 to 5 for each."""
    score = {"type": "integer", "minimum": LOWEST, "maximum": HIGHEST}
    return {
        "type": "object",
        "properties": {name: dict(score) for name in dimensions},
        "required": list(dimensions),
        "additionalProperties": False,
    }


def read_verdict(text: str | None, finish_reason: str | None, dimensions: Sequence[str]) -> dict[str, int]:
    """Scores by dimension from a judge's raw reply. Reasoning before it (<think>…</think>) is left out.

    Raises InvalidVerdictError: "null_content", "cut_by_length", "not_json", "duplicate_key", "not_an_object",
    "missing_dimension", "extra_dimension", "not_an_integer", "out_of_range".
    """
    if text is None:
        raise InvalidVerdictError("null_content")
    if finish_reason == "length":
        raise InvalidVerdictError("cut_by_length")
    answer = without_thinking(text)
    if answer is None:
        raise InvalidVerdictError("not_json")
    try:
        verdict = json.loads(answer, object_pairs_hook=_unique)
    except InvalidVerdictError:
        raise
    except (ValueError, RecursionError):  # ValueError: also a number of more than 4,300 digits
        raise InvalidVerdictError("not_json") from None
    if not isinstance(verdict, dict):
        raise InvalidVerdictError("not_an_object")
    if missing := set(dimensions) - set(verdict):
        raise InvalidVerdictError("missing_dimension") from KeyError(*sorted(missing))
    if extra := set(verdict) - set(dimensions):
        raise InvalidVerdictError("extra_dimension") from KeyError(*sorted(extra))
    for score in verdict.values():
        if type(score) is not int:  # not isinstance: True is an int
            raise InvalidVerdictError("not_an_integer")
        if not LOWEST <= score <= HIGHEST:
            raise InvalidVerdictError("out_of_range")
    return {name: verdict[name] for name in dimensions}


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidVerdictError("duplicate_key")
    return members
