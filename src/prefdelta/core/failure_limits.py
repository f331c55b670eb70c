"""Rows that failed: they are counted, and too many of them stop a stage."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CHARACTERS = 400  # of the words of one example


def count_failures(failures: Iterable[str | None]) -> Counter[str]:
    """Number of failures of each kind. None is not a failure."""
    return Counter(failure for failure in failures if failure is not None)


def count_values(failures: "pa.ChunkedArray") -> Counter[str]:
    """`count_failures` of a column."""
    return Counter({one["values"]: one["counts"] for one in failures.drop_null().value_counts().to_pylist()})


def check_share(
    key: str, rows: int, failures: Mapping[str, int], allowed: float, words: Mapping[str, str] | None = None
) -> None:
    """Raise StudyError if more than `allowed` (a share, from 0 to 1) of `rows` failed.

    key: the config key that sets the share.
    failures: kind of failure -> number of rows.
    words: for stages that ask a model: kind of failure -> what the provider or engine said of one such row.
    """
    share = sum(failures.values()) / max(rows, 1)
    if share <= allowed:
        return
    by_kind = ", ".join(f"{count:,} {kind}" for kind, count in sorted(failures.items(), key=lambda item: -item[1]))
    examples = "".join(f" Of one {kind}: {text[:MOST_CHARACTERS]}." for kind, text in (words or {}).items())
    retry = ""
    if words is not None:
        stage = key.partition(".")[0]
        retry = f" Permanent failures are asked again after: prefdelta retry --stage {stage} --where FAILURE."
    raise StudyError(
        f"{share:.1%} of {rows:,} rows failed ({by_kind}); {key} allows {allowed:.1%}.{examples} No table was written; "
        f"replies of models are kept in the record. Remove the cause, or raise the share.{retry}"
    )
