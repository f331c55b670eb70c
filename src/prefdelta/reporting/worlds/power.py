"""Power before cost: the smallest true effects that a study of some shape would see."""

from collections.abc import Mapping
from dataclasses import dataclass

from prefdelta.core.paper_claims import Claims
from prefdelta.reporting.claims.verdicts import judge_claims
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


def smallest_effects(claims: Claims, shape: StudyShape, assumptions: Assumptions) -> Mapping[str, list[SmallestEffect]]:
    """Claim -> one line per number of its tests and controls, from a planted study in which nothing gains.

    No line: the study lacks the arms.
    """
    if not shape.arms:
        return {claim.id: [] for claim in claims.claims}
    judged = judge_claims(claims, Planter(shape, assumptions).plant(_NOTHING, 0), "")
    return {
        result.claim.id: [
            SmallestEffect(line.number.title, line.unit, line.detectable, line.effect, line.number.estimate.n)
            for line in [*result.numbers, *(line for confound in result.confounds for line in confound.numbers)]
        ]
        for result in judged.results
    }
