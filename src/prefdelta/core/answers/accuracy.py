"""Accuracy: which rows count, and how."""

from collections.abc import Iterable
from typing import Protocol

# An item that was not answered within the token limit counts as not solved, as is usual for GSM8K, MATH and AIME.
# Otherwise a model that never stops would gain. An item that we failed to ask or grade is left out.
COUNTS_AS_WRONG = frozenset({"truncated", "no_answer"})


class GradedRow(Protocol):
    @property
    def correct(self) -> bool | None: ...

    @property
    def failure(self) -> str | None: ...


def outcome(row: GradedRow) -> int | None:
    """1 for a solved item, 0 for one that is not solved, None for one that does not count."""
    if row.correct is not None:
        return int(row.correct)
    return 0 if row.failure in COUNTS_AS_WRONG else None


def count_outcomes(rows: Iterable[GradedRow]) -> tuple[int, int]:
    """(solved, counted)."""
    outcomes = [value for row in rows if (value := outcome(row)) is not None]
    return sum(outcomes), len(outcomes)
