"""A sample delta: the difference of the judged scores inside one pair, on one dimension."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Delta:
    """One row of `delta/<pairing>/<dimension>.parquet`: delta_d = score_d(chosen) - score_d(rejected)."""

    VERSION: ClassVar[int] = 1
    KEY: ClassVar[tuple[str, ...]] = ("pair_id",)

    pair_id: str
    chosen_score: float | None
    rejected_score: float | None
    delta: float | None  # -4 to 4; None exactly if `failure` says why
    failure: str | None  # "chosen_unjudged", "rejected_unjudged", "not_eligible"
