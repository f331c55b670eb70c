"""The zero-delta check: a generator paired with itself has nothing to teach, so training on it must change nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Arm
from prefdelta.core.statistics import LEVEL, Estimate, holm, mcnemar, p_above, p_below
from prefdelta.reporting.arms import families, selection_of
from prefdelta.reporting.numbers.accuracies import AccuracyLine, Scores
from prefdelta.training.registry import METHODS


@dataclass(frozen=True, slots=True)
class DriftLine:
    """An arm, or the mean over its repeats, against its base on one benchmark."""

    line: AccuracyLine
    excludes_zero: bool  # whether its 95% interval does
    corrected: float  # two-sided p of a difference of 0, by Holm's method for all lines of the check

    @property
    def drifting(self) -> bool:
        return self.corrected <= 1 - LEVEL


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """The arms whose pairs have no delta on average, against their base on the primary benchmarks."""

    families: Sequence[tuple[Arm, ...]]
    lines: Sequence[DriftLine]  # those that have an interval
    without: int  # comparisons without an interval, which the check cannot use

    @property
    def excluding(self) -> int:
        """Lines whose own interval excludes 0."""
        return sum(line.excludes_zero for line in self.lines)

    @property
    def by_chance(self) -> float:
        """How many intervals would exclude 0 on average if nothing drifted."""
        return (1 - LEVEL) * len(self.lines)

    @property
    def drifting(self) -> list[DriftLine]:
        return [line for line in self.lines if line.drifting]


def check_drift(arms: Iterable[Arm], scores: Scores, methods: Mapping[Arm, str | None]) -> DriftCheck:
    """methods: arm -> its method. Methods that learn more than the contrast of the sides are left out."""
    zero = [
        arm
        for arm in arms
        if arm.pairing.chosen == arm.pairing.rejected
        and selection_of(arm).BLIND  # selection by delta or grade makes the sides differ
        and _learns_only_contrast(methods.get(arm, arm.recipe))
    ]
    members = families(zero)
    evaluations = scores.evaluations(primary=True)
    lines = [scores.against_base(repeats, evaluation) for repeats in members for evaluation in evaluations]
    tested = [(line, gain) for line in lines if (gain := line.difference) is not None and gain.low is not None]
    corrected = holm([_p_of_zero(line, gain, scores) for line, gain in tested])
    drifts = [
        DriftLine(line, _interval_p(gain) <= 1 - LEVEL, p) for (line, gain), p in zip(tested, corrected, strict=True)
    ]
    return DriftCheck(members, drifts, len(lines) - len(drifts))


def _interval_p(gain: Estimate) -> float:
    """Two-sided p of a difference of 0: at most 0.05 exactly if the 95% interval excludes 0."""
    return min(1.0, 2 * min(p_above(gain, 0), p_below(gain, 0)))


def _p_of_zero(line: AccuracyLine, gain: Estimate, scores: Scores) -> float:
    """The p of the interval; that of McNemar's exact test if it is larger and a single arm answered problems once.

    Far from 0.05, where corrected p values are decided, the interval of few problems is too sure of itself.
    """
    counts = None
    if len(line.arms) == 1:
        counts = scores.discordant(line.arms[0], line.arms[0].base, line.evaluation)
    return max(_interval_p(gain), mcnemar(*counts) if counts else 0.0)


def _learns_only_contrast(method: str | None) -> bool:
    """Also True for an unknown method."""
    return method not in METHODS or METHODS[method].only_contrast
