"""A judgement: one trace rated on one dimension."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Judgement:
    """One row of `judge/<generator>/<form>.parquet`. `score_sum` is None exactly if `failure` says why."""

    VERSION: ClassVar[int] = 2
    KEY: ClassVar[tuple[str, ...]] = ("prompt_id", "sample", "dimension")

    prompt_id: str
    generator: str
    sample: int
    dimension: str
    score_sum: int | None  # over the votes, each from 1 (worst) to 5 (best)
    votes: int  # number of verdicts in the sum
    attempts: int  # number of requests, of all votes
    call_keys: list[str]  # key of each vote's last attempt, also if it is not a verdict; empty if nothing was asked
    failure: str | None  # "unusable_trace": not judged; "not_json", "out_of_range", ...: no verdict; a call's own

    @property
    def score(self) -> Fraction | None:
        """The mean of the votes, exactly, from 1 to 5: equal means are equal."""
        return None if self.score_sum is None else Fraction(self.score_sum, self.votes)
