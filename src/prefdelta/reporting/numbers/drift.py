"""The zero-delta check: a generator paired with itself has nothing to teach, so training on it must change nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Arm
from prefdelta.reporting.arms import families, selection_of
from prefdelta.reporting.numbers.accuracies import AccuracyLine, Scores
from prefdelta.training.registry import METHODS


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """The arms whose pairs have no delta on average, against their base on the primary benchmarks."""

    families: Sequence[tuple[Arm, ...]]
    lines: Sequence[AccuracyLine]
    drifting: Sequence[AccuracyLine]  # lines whose interval excludes 0


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
    return DriftCheck(members, lines, [line for line in lines if _excludes_zero(line)])


def _learns_only_contrast(method: str | None) -> bool:
    """Also True for an unknown method."""
    return method not in METHODS or METHODS[method].only_contrast


def _excludes_zero(line: AccuracyLine) -> bool:
    gain = line.difference
    return gain is not None and gain.low is not None and gain.high is not None and (gain.low > 0 or gain.high < 0)
