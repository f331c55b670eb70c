"""Each kind of arm is taken out of the full study once: the claims that need it say that they are not wholly run."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from prefdelta.core.arms import Arm, undrawn
from prefdelta.reporting.claims.verdicts import NOT_RUN, PARTLY_RUN, judge_claims, read_claims
from prefdelta.reporting.worlds.assumptions import default_assumptions
from prefdelta.reporting.worlds.planted import PlantedStudy, Planter
from prefdelta.reporting.worlds.worlds import NOTHING

from .shapes import FULL, ROOT, shape

CLAIMS = read_claims(ROOT / "resources/claims.yaml")
FILTERING = {"data-efficiency", "data-efficiency-at-equal-updates"}
TRENDS = {"generator-delta", "plateau", "judged-gap"}


@dataclass(frozen=True)
class Without:
    """Evidence of a study without some of its arms."""

    whole: PlantedStudy
    taken: Callable[[Arm], bool]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    @property
    def experiments(self) -> Any:
        return {
            name: replace(one, arms=[arm for arm in one.arms if not self.taken(arm)])
            for name, one in self.whole.experiments.items()
        }


@pytest.fixture(scope="module")
def whole() -> PlantedStudy:
    return Planter(shape(FULL), default_assumptions(shape(FULL))).plant(NOTHING, 0)


def selects(beginning: str) -> Callable[[Arm], bool]:
    return lambda arm: arm.selection.startswith(beginning)


def by(recipe: str) -> Callable[[Arm], bool]:
    return lambda arm: arm.recipe == recipe


@pytest.mark.parametrize(
    ("taken", "claims"),
    [
        pytest.param(lambda arm: False, set(), id="none"),
        pytest.param(selects("all"), FILTERING, id="all pairs"),
        pytest.param(selects("random"), FILTERING, id="random pairs"),
        pytest.param(selects("matched-all"), {*FILTERING, "steady-dimension"}, id="pairs like the top ones"),
        pytest.param(selects("matched-length"), set(), id="pairs matched in length"),
        pytest.param(selects("top-chosen"), {*FILTERING, "steady-dimension"}, id="best chosen traces"),
        pytest.param(selects("low-rejected"), FILTERING, id="worst rejected traces"),
        pytest.param(selects("likely-rejected"), set(), id="likely mistakes"),
        pytest.param(selects("alike"), {"generator-delta", "plateau", "cells-gain", "right-over-wrong"}, id="alike"),
        pytest.param(selects("right-over-wrong"), {"right-over-wrong"}, id="right over wrong, equally long"),
        pytest.param(selects("top-step_coherence"), {*FILTERING, "steady-dimension"}, id="top by step coherence"),
        pytest.param(selects("top-factuality"), {"data-efficiency", "steady-dimension"}, id="top by factuality"),
        pytest.param(selects("top-mean"), set(), id="top by the mean"),
        pytest.param(selects("cell-wrong-wrong"), {"cells-gain", "right-over-wrong"}, id="a cell"),
        pytest.param(selects("swapped"), set(), id="swapped pairs"),
        pytest.param(selects("bottom"), set(), id="bottom pairs"),
        pytest.param(by("sft"), {"dpo-over-sft"}, id="SFT"),
        pytest.param(by("dpo-few"), {"data-efficiency-at-equal-updates"}, id="few updates"),
        pytest.param(by("dpo-many"), {"data-efficiency-at-equal-updates", "steady-dimension"}, id="many updates"),
        pytest.param(lambda arm: undrawn(arm.pairing.chosen) == "s1-14b", TRENDS, id="a generator"),
        pytest.param(lambda arm: arm.pairing.chosen == arm.pairing.rejected, set(), id="zero delta"),
        pytest.param(
            lambda arm: undrawn(arm.pairing.rejected) != "s1-3b",
            {"generator-delta", "plateau", "cells-gain"},
            id="grid",
        ),
        pytest.param(lambda arm: True, {claim.id for claim in CLAIMS.claims}, id="every arm"),
    ],
)
def test_a_claim_whose_arms_are_missing_is_not_wholly_run(whole, taken, claims):
    results = judge_claims(CLAIMS, Without(whole, taken), "").results
    assert {result.claim.id for result in results if result.word in (PARTLY_RUN, NOT_RUN)} == claims
    assert [result.claim.id for result in results] == [claim.id for claim in CLAIMS.claims]
