"""What a study's results replace among the assumptions."""

import numpy as np
import pytest

from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.reporting.numbers.generators import Grades
from prefdelta.reporting.worlds.assumptions import default_assumptions
from prefdelta.reporting.worlds.measured import measured
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.worlds import World

from .shapes import FULL, shape


def test_seeds_that_each_have_a_draw_of_traces_show_the_luck_of_a_run_beside_random_draws():
    """Runs differ by 2 points; nothing else does, and no seed is repeated on one draw of traces or of pairs."""
    full, chance = shape(FULL), np.random.default_rng(0)
    kinds = [f"top-mean-{k}" for k in range(1, 31)] + [f"random-{k}-s{draw}" for k in (5, 9) for draw in range(3)]
    sides = ["a~b", "a@1~b@1", "a@2~b@2"]
    arms = [f"p/{pairing}/{kind}/dpo/s{seed}" for kind in kinds for seed, pairing in enumerate(sides)]
    means = np.broadcast_to(0.5 + chance.normal(0, 0.02, (len(arms), 1)), (len(arms), 10)).copy()
    ones = np.ones(means.shape, dtype=np.int64)
    rows = {name: row for row, name in enumerate(arms)}
    matrix = AnswerMatrix(rows, means, ones, ones, np.zeros(len(arms), dtype=np.int64), None)
    groups = {"g": BenchmarkGroup("G", ["b"], primary=True)}
    scores = Scores({Evaluation("g", "b"): matrix}, groups, Bootstrap(10, 1))
    usual = default_assumptions(full)
    found = measured(usual, full, scores, Grades([], "full"), Pairings([], [], "full", full.dimensions))
    assert found.run_sd == pytest.approx(2.0, abs=0.3)
    assert "trace_share" not in found.measured


def test_accuracies_and_the_variance_of_runs_come_from_scores_and_the_rest_stays_assumed():
    full = shape(FULL)
    planted = default_assumptions(full, run_sd=2.0, shared_share=0.0, base_accuracy=dict.fromkeys(full.items, 0.7))
    scores = Planter(full, planted).plant(World("nothing", "nothing gains", None), 0).scores
    usual = default_assumptions(full)
    found = measured(usual, full, scores, Grades([], "full"), Pairings([], [], "full", full.dimensions))
    assert found.measured == {"base_accuracy", "run_sd", "shared_share"}
    assert found.run_sd == pytest.approx(2.0, abs=0.35)
    assert found.base_accuracy["gsm8k"] == pytest.approx(0.7, abs=0.05)
    assert found.zero_share == usual.zero_share
    assert {name: basis for name, _, basis, _ in found.lines()}["run_sd"] == "measured"
    assert {name: basis for name, _, basis, _ in found.lines()}["zero_share"] == "assumed"
