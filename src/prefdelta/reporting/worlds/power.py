"""Power before cost: the smallest true effects that a study of some shape would see."""

from collections.abc import Mapping
from dataclasses import dataclass

from prefdelta.core.paper_claims import Claims
from prefdelta.reporting.claims.verdicts import NumberResult, judge_claims
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
            _smallest(line)
            for line in [*result.numbers, *(line for confound in result.confounds for line in confound.numbers)]
        ]
        for result in judged.results
    }


def _smallest(line: NumberResult) -> SmallestEffect:
    number, names = line.number, frozenset(name for weights in line.number.sums for name in weights)
    of_arms = frozenset(name for name in names if "/" in name)
    deltas = frozenset(f"{pairing}/{number.over[0]}" for pairing in names - of_arms)
    return SmallestEffect(number.title, line.unit, line.detectable, line.effect, number.estimate.n, of_arms, deltas)
