"""What a study's results replace among the assumptions."""

import pytest

from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.reporting.numbers.generators import Grades
from prefdelta.reporting.worlds.assumptions import default_assumptions
from prefdelta.reporting.worlds.measured import measured
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.worlds import World

from .shapes import FULL, shape


def test_accuracies_and_the_variance_of_runs_come_from_scores_and_the_rest_stays_assumed():
    full = shape(FULL)
    planted = default_assumptions(full, run_sd=2.0, base_accuracy=dict.fromkeys(full.items, 0.7))
    scores = Planter(full, planted).plant(World("nothing", "nothing gains", None), 0).scores
    usual = default_assumptions(full)
    found = measured(usual, full, scores, Grades([], "full"), Pairings([], [], "full", full.dimensions))
    assert found.measured == {"base_accuracy", "run_sd"}
    assert found.run_sd == pytest.approx(2.0, abs=0.35)
    assert found.base_accuracy["gsm8k"] == pytest.approx(0.7, abs=0.05)
    assert found.zero_share == usual.zero_share
    assert {name: basis for name, _, basis, _ in found.lines()}["run_sd"] == "measured"
    assert {name: basis for name, _, basis, _ in found.lines()}["zero_share"] == "assumed"
