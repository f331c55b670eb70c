"""What the ledger of claims must say, and must not, where the truth is known: studies of the full study's shape.

`BOUNDS` is the table to edit. A share is that of the planted studies in which a claim gets the verdict.
"""

from typing import NamedTuple

import pytest

from prefdelta.core.paper_claims import Claims
from prefdelta.reporting.claims.verdicts import CONFOUNDED, CONTRADICTED, REPRODUCED, read_claims
from prefdelta.reporting.worlds.assumptions import default_assumptions
from prefdelta.reporting.worlds.operating import Characteristic, operating_characteristic
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.worlds import WORLDS

from .shapes import FULL, ROOT, shape

STUDIES = 10  # per world: about 90 seconds of one core in all
ANY = "any claim"


class Bound(NamedTuple):
    world: str
    claim: str  # or ANY: each of them
    verdict: str
    least: float = 0.0
    most: float = 1.0


HOSTILE = [world for world in WORLDS if world != "delta" and not world.startswith("nothing")]
# Claims whose words are true in a world that is not the claims' own.
TRUE = {
    "length": {"judged-gap"},
    "correctness": {"right-over-wrong", "judged-gap"},
    "chosen": {"judged-gap"},
    "step": {"cells-gain", "judged-gap"},
    "inverted-u": {"judged-gap"},
    "step-coherence-fails": {
        "generator-delta",
        "plateau",
        "cells-gain",
        "right-over-wrong",
        "dpo-over-sft",
        "judged-gap",
    },
    "token-judge": set(),
    "sharpening": {"judged-gap"},
}
CLAIMS = [claim.id for claim in read_claims(ROOT / "resources/claims.yaml").claims]
BOUNDS = [
    # The delta is the cause.
    Bound("delta", ANY, REPRODUCED, least=0.6),
    Bound("delta", "judged-gap", REPRODUCED, least=0.9),
    Bound("delta", ANY, CONTRADICTED, most=0.1),
    # something else is
    *(Bound(world, claim, REPRODUCED, most=0.1) for world in HOSTILE for claim in CLAIMS if claim not in TRUE[world]),
    Bound("length", "generator-delta", CONFOUNDED, least=0.8),
    Bound("correctness", "generator-delta", CONFOUNDED, least=0.8),
    Bound("correctness", "data-efficiency", CONFOUNDED, least=0.8),
    Bound("sharpening", "cells-gain", CONFOUNDED, least=0.6),
    *(Bound(world, "generator-delta", CONFOUNDED, most=0.2) for world in ("step", "inverted-u", "sharpening")),
    *(Bound(world, "plateau", CONFOUNDED, most=0.2) for world in ("step", "inverted-u", "chosen", "length")),
    Bound("step-coherence-fails", "steady-dimension", CONFOUNDED, most=0.0),
    Bound("sharpening", "data-efficiency", CONFOUNDED, most=0.0),
    # nothing is
    *(Bound(f"nothing-{sd}", ANY, verdict, most=0.2) for sd in (0, 1, 2) for verdict in (REPRODUCED, CONTRADICTED)),
]


@pytest.fixture(scope="module")
def claims() -> Claims:
    return read_claims(ROOT / "resources/claims.yaml")


@pytest.fixture(scope="module")
def characteristics(claims: Claims) -> dict[str, Characteristic]:
    """World -> what the ledger says in it."""
    planter = Planter(shape(FULL), default_assumptions(shape(FULL)))
    return {name: operating_characteristic(claims, planter, world, STUDIES) for name, world in WORLDS.items()}


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda bound: f"{bound.world}-{bound.claim}-{bound.verdict}")
def test_the_ledger_keeps_its_bounds(bound, characteristics, claims):
    found = characteristics[bound.world]
    asked = [claim.id for claim in claims.claims] if bound.claim == ANY else [bound.claim]
    shares = {claim: found.share(claim, bound.verdict) for claim in asked}
    assert {claim: share for claim, share in shares.items() if not bound.least <= share <= bound.most} == {}


def test_every_world_has_a_bound():
    assert {bound.world for bound in BOUNDS} == set(WORLDS)


def test_the_shares_of_a_claims_verdicts_add_up(characteristics):
    for found in characteristics.values():
        for counts in found.counts.values():
            assert sum(counts.values()) == found.studies == STUDIES


def test_a_claim_that_the_study_cannot_test_is_told_as_such(claims):
    from .shapes import MINI

    mini = Planter(shape(MINI), default_assumptions(shape(MINI)))
    found = operating_characteristic(claims, mini, WORLDS["nothing-0"], 1)
    assert found.counts.keys() == {claim.id for claim in claims.claims}
