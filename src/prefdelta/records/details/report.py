"""Details in the manifest of report: the verdicts on the claims, and every number behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prefdelta.records.details.contract import OMITTED


@dataclass(frozen=True, slots=True)
class NumberDetails:
    """A number of one test of a claim, or of the control of a confound."""

    question: str
    title: str  # which arms, over which benchmarks
    unit: str
    above: bool  # whether the claim says above 0, or below
    value: float | None
    low: float | None  # 95% interval
    high: float | None
    n: int
    df: float | None  # degrees of freedom of the interval; None: it has another form
    run_df: int | None  # degrees of freedom of the variance between runs in it; None: no runs are involved
    effect: float  # the size that the claim names
    detectable: float | None  # the smallest effect that 80% of such studies see
    outcome: str  # holds, fails, open
    # What it was computed from: sums of arms' accuracies, or of pairings' mean deltas (one, but for steadiness), ...
    sums: Sequence[Mapping[str, float]] = ()
    over: Sequence[str] = ()  # ... and the mean of which: <group>/<benchmark>, or a dimension (and `length`)


@dataclass(frozen=True, slots=True)
class ClaimDetails:
    verdict: str
    registered: bool  # before the first arm was trained
    tests: Sequence[NumberDetails] = ()
    controls: Sequence[NumberDetails] = ()
    title: str | None = field(default=None, metadata=OMITTED)  # the claim in a sentence


@dataclass(frozen=True, slots=True)
class ReportDetails:
    claims: Mapping[str, ClaimDetails] = field(default_factory=dict)  # by id of a claim
