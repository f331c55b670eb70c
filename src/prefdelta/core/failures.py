"""Failures are counted, left out of every number, and stop a stage when they are too many."""

from collections import Counter
from collections.abc import Iterable, Mapping

from prefdelta.core.errors import StudyError

MOST_WORDS = 400  # characters of what was said of a failure


def count_failures(failures: Iterable[str | None]) -> Counter[str]:
    """How many of each kind; None is no failure."""
    return Counter(failure for failure in failures if failure is not None)


def check_share(
    key: str, rows: int, failures: Mapping[str, int], allowed: float, words: Mapping[str, str] | None = None
) -> None:
    """Raise StudyError if more than `allowed` of `rows` failed.

    key: the config key that sets the share. words: of a stage that asks a model: failure -> what the provider or engine
    said of one.
    """
    share = sum(failures.values()) / max(rows, 1)
    if share > allowed:
        told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(failures.items(), key=lambda item: -item[1]))
        said = "".join(f" Of one {kind}: {text[:MOST_WORDS]}." for kind, text in (words or {}).items())
        again = ""
        if words is not None:
            stage = key.partition(".")[0]
            again = f" What failed for good is asked again after: prefdelta retry --stage {stage} --where FAILURE."
        raise StudyError(
            f"{share:.1%} of {rows:,} rows failed ({told}); {key} allows {allowed:.1%}.{said} No table was written; "
            f"replies of models are kept in the record. Mend the cause, or raise the share.{again}"
        )
