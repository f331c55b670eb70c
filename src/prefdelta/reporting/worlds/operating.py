"""The operating characteristic of a ledger: which verdicts it reaches in worlds whose truth is known."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from prefdelta.core.paper_claims import Claims
from prefdelta.reporting.claims.verdicts import CONTRADICTED, REPRODUCED, judge_claims
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.worlds import World


@dataclass(frozen=True, slots=True)
class Characteristic:
    """The verdicts in one world."""

    world: str
    about: str
    studies: int
    counts: Mapping[str, Mapping[str, int]]  # claim -> verdict, without its causes -> studies
    decided: int  # studies in which any claim is reproduced or contradicted

    def share(self, claim: str, verdict: str) -> float:
        """The share of studies in which a claim gets a verdict."""
        return self.counts[claim].get(verdict, 0) / self.studies


def operating_characteristic(claims: Claims, planter: Planter, world: World, studies: int) -> Characteristic:
    """The verdicts of some planted studies."""
    counts: dict[str, Counter[str]] = {claim.id: Counter() for claim in claims.claims}
    decided = 0
    for number in range(studies):
        found = {
            result.claim.id: result.word for result in judge_claims(claims, planter.plant(world, number), "").results
        }
        for claim, word in found.items():
            counts[claim][word] += 1
        decided += not {REPRODUCED, CONTRADICTED}.isdisjoint(found.values())
    return Characteristic(
        world.name, world.about, studies, {claim: dict(counted) for claim, counted in counts.items()}, decided
    )
