"""Power before cost: the smallest true effects that a study of some shape would see."""

from collections.abc import Mapping
from dataclasses import dataclass

from prefdelta.core.arms import Arm, Base
from prefdelta.core.paper_claims import Claims
from prefdelta.reporting.claims.verdicts import NumberResult, judge_claims
from prefdelta.reporting.numbers.sharpening import MatchedBase
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.shape import StudyShape
from prefdelta.reporting.worlds.worlds import World

_NOTHING = World("nothing", "nothing gains", None)


@dataclass(frozen=True, slots=True)
class SmallestEffect:
    """The smallest true distance from 0 that 80% of studies see in a number."""

    title: str
    unit: str
    effect: float | None  # None: the number has no standard error, so nothing can be seen
    named: float  # the effect that the claim names
    n: int  # problems
    arms: frozenset[str] = frozenset()  # arms and untrained policies that it is computed from
    deltas: frozenset[str] = frozenset()  # or mean deltas: <pairing>/<dimension>


def smallest_effects(claims: Claims, shape: StudyShape, assumptions: Assumptions) -> Mapping[str, list[SmallestEffect]]:
    """Claim -> one line per number of its tests and controls, from a planted study in which nothing gains.

    No line: the study lacks the arms.
    """
    if not shape.arms:
        return {claim.id: [] for claim in claims.claims}
    judged = judge_claims(claims, Planter(shape, assumptions).plant(_NOTHING, 0), "")
    return {
        result.claim.id: [
            _smallest(line, shape)
            for line in [*result.numbers, *(line for confound in result.confounds for line in confound.numbers)]
        ]
        for result in judged.results
    }


def _smallest(line: NumberResult, shape: StudyShape) -> SmallestEffect:
    number = line.number
    arms = frozenset(str(base) for arm in number.arms for base in _answered(arm, shape))
    deltas = frozenset() if arms else frozenset(f"{pairing}/{number.over[0]}" for one in number.sums for pairing in one)
    name, n = number.contrast.name, number.estimate.n
    return SmallestEffect(name, line.unit, line.detectable, line.effect, n, arms, deltas)


def _answered(arm: Arm | Base, shape: StudyShape) -> list[Arm | Base]:
    """What answers benchmarks for an arm: a matched base lies between those of all temperatures."""
    return [*shape.bases(arm.policy)] if isinstance(arm, MatchedBase) else [arm]
