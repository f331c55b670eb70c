"""The smallest effects that a study would see."""

from dataclasses import replace

import pytest

from prefdelta.reporting.claims.verdicts import read_claims
from prefdelta.reporting.worlds.assumptions import default_assumptions
from prefdelta.reporting.worlds.power import smallest_effects

from .shapes import FULL, MINI, ROOT, shape

CLAIMS = read_claims(ROOT / "resources/claims.yaml")


def effects(found, **changes):
    lines = smallest_effects(CLAIMS, found, default_assumptions(found, **changes))
    return {claim: [line.effect for line in numbers if line.unit == "points"] for claim, numbers in lines.items()}


def test_more_problems_and_steadier_runs_let_a_study_see_less():
    usual = effects(shape(FULL))
    more = replace(shape(FULL), items={name: 4 * count for name, count in shape(FULL).items.items()})
    assert usual.keys() == {claim.id for claim in CLAIMS.claims}
    assert all(None not in lines and (lines or claim == "judged-gap") for claim, lines in usual.items())
    for better in (effects(more), effects(shape(FULL), run_sd=0.2)):
        for claim in ("generator-delta", "cells-gain"):
            assert max(better[claim]) < 0.95 * max(usual[claim])


def test_with_runs_alone_the_effect_is_that_of_their_number():
    """A gain over the base with 3 runs of SD s has the standard error s/√3; 2.8 of them are seen (1.96 + 0.84)."""
    huge = replace(shape(FULL), items=dict.fromkeys(shape(FULL).items, 20_000))
    for effect in effects(huge, run_sd=3.0, shared_share=0.0)["cells-gain"]:
        assert effect == pytest.approx(2.8 * 3 / 3**0.5, rel=0.15)


def test_a_claim_whose_arms_a_study_lacks_has_no_line():
    assert effects(shape(MINI))["data-efficiency-at-equal-updates"] == []
