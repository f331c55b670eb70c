"""Failures are counted, left out of every number, and stop a stage when they are too many."""

from collections import Counter
from collections.abc import Iterable, Mapping

from prefdelta.core.errors import StudyError

MOST_DETAIL = 400  # characters


def count_failures(failures: Iterable[str | None]) -> Counter[str]:
    """How many failures of each kind; None is not a failure."""
    return Counter(failure for failure in failures if failure is not None)


def check_share(
    key: str, rows: int, failures: Mapping[str, int], allowed: float, words: Mapping[str, str] | None = None
) -> None:
    """Raise StudyError if more than `allowed` of `rows` failed.

    key: the config key that sets the share.
    words: failure -> what the provider or engine said of one. None: the stage asks no model.
    """
    share = sum(failures.values()) / max(rows, 1)
    if share > allowed:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(failures.items(), key=lambda item: -item[1]))
        details = "".join(f" Of one {kind}: {text[:MOST_DETAIL]}." for kind, text in (words or {}).items())
        retry = ""
        if words is not None:
            stage = key.partition(".")[0]
            retry = f" What failed for good is asked again after: prefdelta retry --stage {stage} --where FAILURE."
        raise StudyError(
            f"{share:.1%} of {rows:,} rows failed ({counts}); {key} allows {allowed:.1%}.{details} No table was "
            f"written; replies of models are kept in the record. Mend the cause, or raise the share.{retry}"
        )
