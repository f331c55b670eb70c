"""The operating characteristic of a ledger: which verdicts it reaches in worlds whose truth is known."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prefdelta.core.paper_claims import Claims
from prefdelta.reporting.claims.verdicts import judge_claims
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.shape import StudyShape
from prefdelta.reporting.worlds.worlds import World

NO_RESULT = "no result"  # the ledger leaves a claim out


@dataclass(frozen=True, slots=True)
class Characteristic:
    """The verdicts in one world."""

    world: str
    about: str
    studies: int
    verdicts: Mapping[str, Mapping[str, int]]  # claim -> verdict -> studies

    def share(self, claim: str, verdict: str) -> float:
        """The share of studies in which a claim gets a verdict."""
        return self.verdicts[claim].get(verdict, 0) / self.studies


def operating_characteristic(
    claims: Claims, shape: StudyShape, usual: Assumptions, worlds: Mapping[str, World], studies: int
) -> Iterator[Characteristic]:
    """The verdicts of some planted studies, world by world."""
    planter = Planter(shape, usual)
    for name, world in worlds.items():
        counts: dict[str, Counter[str]] = {claim.id: Counter() for claim in claims.claims}
        for number in range(studies):
            judged = judge_claims(claims, planter.plant(world, number), "")
            found = {result.claim.id: result.verdict for result in judged.results}
            for claim, counter in counts.items():
                counter[found.get(claim, NO_RESULT)] += 1
        yield Characteristic(name, world.about, studies, counts)
