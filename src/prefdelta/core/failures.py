"""Failures are counted, left out of every number, and stop a stage when they are too many."""

from collections import Counter
from collections.abc import Iterable, Mapping

from prefdelta.core.errors import StudyError


def count_failures(failures: Iterable[str | None]) -> Counter[str]:
    """How many of each kind; None is no failure."""
    return Counter(failure for failure in failures if failure is not None)


def check_share(key: str, rows: int, failures: Mapping[str, int], allowed: float) -> None:
    """Raise StudyError if more than `allowed` of `rows` failed. key: the config key that sets the share."""
    share = sum(failures.values()) / max(rows, 1)
    if share > allowed:
        told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(failures.items(), key=lambda item: -item[1]))
        raise StudyError(
            f"{share:.1%} of {rows:,} rows failed ({told}); {key} allows {allowed:.1%}. No table was written; replies "
            "of models are kept in the record. Mend the cause, or raise the share."
        )
