"""The zero-delta check: a generator paired with itself has nothing to teach, so training on it must change nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prefdelta.core.pairs.selections import parse_selection
from prefdelta.reporting.arms import Arm, families
from prefdelta.reporting.numbers.accuracies import AccuracyLine, Scores
from prefdelta.training.registry import METHODS


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """The arms whose pairs have no delta on average, against their base on the primary benchmarks."""

    families: Sequence[tuple[Arm, ...]]
    lines: Sequence[AccuracyLine]
    drifting: Sequence[AccuracyLine]  # those whose interval excludes 0


def check_drift(arms: Iterable[Arm], scores: Scores, methods: Mapping[str, str | None]) -> DriftCheck:
    """methods: name of an arm -> its method. One that learns more than the contrast of the sides has no zero."""
    zero = [
        arm
        for arm in arms
        if arm.chosen == arm.rejected
        and parse_selection(arm.selection).BLIND  # the top of a pairing of equals is not a pairing of equals
        and _learns_only_contrast(methods.get(arm.name, arm.recipe))
    ]
    found = families(zero)
    lines = [scores.compare(members, cell) for members in found for cell in scores.cells(primary=True)]
    return DriftCheck(found, lines, [line for line in lines if _excludes_zero(line)])


def _learns_only_contrast(method: str | None) -> bool:
    """Also True of a method that is not known by that name."""
    return method not in METHODS or METHODS[method].only_contrast


def _excludes_zero(line: AccuracyLine) -> bool:
    gain = line.difference
    return gain is not None and gain.low is not None and gain.high is not None and (gain.low > 0 or gain.high < 0)
