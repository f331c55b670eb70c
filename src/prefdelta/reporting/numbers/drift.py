"""The zero-delta check: a generator paired with itself has nothing to teach, so training on it must change nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Arm
from prefdelta.reporting.arms import families, selection_of
from prefdelta.reporting.numbers.accuracies import AccuracyLine, Scores

# Selections that do not look at the deltas. The top pairs of two equals are not pairs of equals.
_BLIND = frozenset({"all", "swapped", "random", "common"})


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """The arms whose pairs have no delta on average, against their base on the primary benchmarks."""

    families: Sequence[tuple[Arm, ...]]
    lines: Sequence[AccuracyLine]
    drifting: Sequence[AccuracyLine]  # those whose interval excludes 0


def check_drift(arms: Iterable[Arm], scores: Scores, methods: Mapping[Arm, str | None]) -> DriftCheck:
    """methods: by arm. SFT has no zero: it learns the chosen traces whatever the rejected ones are."""
    zero = [
        arm
        for arm in arms
        if arm.pairing.chosen == arm.pairing.rejected
        and selection_of(arm).kind in _BLIND
        and methods.get(arm, arm.recipe) != "sft"
    ]
    members = families(zero)
    evaluations = scores.evaluations(primary=True)
    lines = [scores.compare(repeats, evaluation) for repeats in members for evaluation in evaluations]
    return DriftCheck(members, lines, [line for line in lines if _excludes_zero(line)])


def _excludes_zero(line: AccuracyLine) -> bool:
    gain = line.difference
    return gain is not None and gain.low is not None and gain.high is not None and (gain.low > 0 or gain.high < 0)
