"""A judgement: one trace rated on one dimension."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Judgement:
    """One row of `judge/<generator>/<form>.parquet`. `score` is None exactly if `failure` says why."""

    VERSION: ClassVar[int] = 1
    KEY: ClassVar[tuple[str, ...]] = ("prompt_id", "sample", "dimension")

    prompt_id: str
    generator: str
    sample: int
    dimension: str
    score: int | None  # 1 (worst) to 5 (best)
    attempts: int  # number of requests
    call_key: str | None  # key of the last attempt; None if nothing was asked
    failure: str | None  # "unusable_trace": not judged; "not_json", "out_of_range", ...: no verdict; a call's own
