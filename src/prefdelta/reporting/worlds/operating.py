"""The operating characteristic of a ledger: which verdicts it reaches in worlds whose truth is known."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from prefdelta.core.paper_claims import Claims
from prefdelta.reporting.claims.verdicts import judge_claims
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.worlds import World

NO_RESULT = "no result"  # the ledger leaves a claim out


@dataclass(frozen=True, slots=True)
class Characteristic:
    """The verdicts in one world."""

    world: str
    about: str
    studies: int
    counts: Mapping[str, Mapping[str, int]]  # claim -> verdict -> studies

    def share(self, claim: str, verdict: str) -> float:
        """The share of studies in which a claim gets a verdict."""
        return self.counts[claim].get(verdict, 0) / self.studies


def operating_characteristic(claims: Claims, planter: Planter, world: World, studies: int) -> Characteristic:
    """The verdicts of some planted studies."""
    counts: dict[str, Counter[str]] = {claim.id: Counter() for claim in claims.claims}
    for number in range(studies):
        judged = judge_claims(claims, planter.plant(world, number), "")
        found = {result.claim.id: result.verdict for result in judged.results}
        for claim, counter in counts.items():
            counter[found.get(claim, NO_RESULT)] += 1
    return Characteristic(world.name, world.about, studies, counts)
