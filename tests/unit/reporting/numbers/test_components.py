"""How much each source moves an arm, by hand: outcomes that are planted problem by problem."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from prefdelta.core.arms import Arm, Base
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.components import Components, components
from prefdelta.reporting.panels import Panel

BASE = Base("p")
TOP = [Arm.parse(f"p/a~b/top-mean-5/dpo/s{seed}") for seed in range(3)]
RANDOM = [Arm.parse(f"p/a~b/random-5-s{draw}/dpo/s0") for draw in range(2)]


def matrix(rows: dict[Arm | Base, list[float]], draws: int = 1) -> AnswerMatrix:
    means = np.array(list(rows.values()), dtype=float)
    counted = np.full(means.shape, draws, dtype=np.int64)
    names = {str(arm): row for row, arm in enumerate(rows)}
    return AnswerMatrix(names, means, counted, counted, np.zeros(len(means), dtype=np.int64), None)


def line(found: AnswerMatrix, *others: AnswerMatrix) -> Components:
    answers = {Evaluation("near", f"b{number}"): one for number, one in enumerate([found, *others])}
    groups = {"near": BenchmarkGroup("Near", [where.benchmark for where in answers], primary=True)}
    (made,) = components(Scores(answers, groups, Bootstrap(100, 1)), [Panel("Sums", "", True, list(answers))])
    return made


def test_seeds_by_hand():
    """Accuracies 0.4, 0.5 and 0.6 on every problem: nothing varies but the seeds, by a standard deviation of 0.1."""
    found = line(matrix({arm: [accuracy] * 10 for arm, accuracy in zip(TOP, (0.4, 0.5, 0.6), strict=True)}))
    assert (found.problems, found.answers, found.seeds.value) == (0.0, pytest.approx(0, abs=1e-6), pytest.approx(10))
    low, high = (10 * math.sqrt(2 / chi2.ppf(share, 2)) for share in (0.975, 0.025))
    assert (found.seeds.low, found.seeds.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.seeds.n, found.seeds.df, found.draws.value) == (1, 2, None)


def test_problems_and_answers_add_up_to_the_variance_of_an_accuracy():
    """Half of 4 problems are solved: variance 1/3 of a problem's outcome, 1/12 of the mean.

    The two runs differ on all problems: residuals of 0.5, 2 / (1 * 3) / 4 = 1/6 of it by answers; none is left.
    """
    found = line(matrix({TOP[0]: [1, 1, 0, 0], TOP[1]: [0, 0, 1, 1]}))
    assert (found.answers, found.problems) == (pytest.approx(100 * math.sqrt(1 / 6)), 0.0)
    same = line(matrix({TOP[0]: [1, 1, 0, 0], TOP[1]: [1, 1, 0, 0]}))
    assert (same.answers, same.problems) == (0.0, pytest.approx(100 * math.sqrt(1 / 12)))
    assert (same.answers_from, same.n, same.arms) == ("residuals of repeated arms", 4, 2)


def test_repeated_answers_show_their_draw_without_repeated_arms():
    """One of 2 draws of each of 4 problems: 0.25 / (2 - 1) by problem, over 4 problems."""
    found = line(matrix({BASE: [0.5] * 4, TOP[0]: [0.5] * 4}, draws=2))
    drawn = pytest.approx(100 * math.sqrt(0.25 / 4))
    assert (found.answers, found.base_answers, found.answers_from) == (drawn, drawn, "repeated answers")
    assert found.seeds.value is None


def test_what_problems_share_cancels_in_a_gain():
    found = line(matrix({BASE: [1, 1, 0, 0], TOP[0]: [1, 1, 0, 0]}))
    assert (found.gain, found.base_answers) == (0.0, None)
    assert (found.problems, found.answers) == (None, None)  # nothing tells them apart


def test_a_draw_of_pairs_is_told_apart_from_its_seeds():
    """Draws of 0.4 and 0.6 with one seed each: mean square 0.02, less the 0.005 of seeds (0.5 and 0.6)."""
    rows = {TOP[0]: [0.5] * 10, TOP[1]: [0.6] * 10, RANDOM[0]: [0.4] * 10, RANDOM[1]: [0.6] * 10}
    found = line(matrix(rows))
    assert (found.seeds.value, found.draws.value) == (
        pytest.approx(100 * math.sqrt(0.005)),
        pytest.approx(100 * math.sqrt(0.02 - 0.005)),
    )
    assert (found.draws.n, found.draws.df) == (1, 1)


def test_repeats_that_differ_less_than_answers_let_them_have_no_interval():
    found = line(matrix({TOP[0]: [1, 1, 0, 0], TOP[1]: [0, 0, 1, 1]}))
    assert (found.seeds.value, found.seeds.low, found.seeds.high) == (0.0, None, None)


def test_a_panel_is_the_mean_of_its_benchmarks():
    rows = {TOP[0]: [1, 1, 0, 0], TOP[1]: [1, 1, 0, 0]}
    assert line(matrix(rows), matrix(rows)).problems == pytest.approx(100 * math.sqrt(1 / 12 / 2))


def test_problems_that_repeat_are_counted_once():
    rows = {TOP[0]: [1, 1, 0, 0], TOP[1]: [1, 1, 0, 0]}
    assert line(replace(matrix(rows), problems=np.array([0, 0, 1, 1]))).n == 2


def test_a_base_that_repeats_one_benchmark_only_tells_no_draw_of_answers():
    once, twice = matrix({BASE: [1, 0], TOP[0]: [1, 0]}), matrix({BASE: [0.5] * 4, TOP[0]: [0.5] * 4}, draws=2)
    found = line(twice, once)
    assert (found.base_answers, found.base_repeated) == (None, True)
    assert not line(once).base_repeated


def test_a_draw_of_traces_is_told_apart_from_its_seeds():
    """Draws of 0.4 and 0.6 with two seeds 0.02 apart: mean square 0.02, less half of the 0.0002 of seeds."""
    names = [f"p/{pairing}/all/dpo/s{seed}" for pairing in ("a~b", "a@1~b@1") for seed in (0, 1)]
    rows = {Arm.parse(name): [rate] * 10 for name, rate in zip(names, (0.39, 0.41, 0.59, 0.61), strict=True)}
    found = line(matrix(rows))
    assert (found.seeds.value, found.traces.value, found.together) == (
        pytest.approx(100 * math.sqrt(0.0002)),
        pytest.approx(100 * math.sqrt(0.02 - 0.0001)),
        False,
    )
    assert (found.traces.n, found.traces.df, found.seeds.n) == (1, 1, 2)


def test_where_each_seed_has_a_draw_of_traces_both_are_told_together():
    rows = {Arm.parse(name): [rate] * 10 for name, rate in (("p/a~b/all/dpo/s0", 0.4), ("p/a@1~b@1/all/dpo/s1", 0.6))}
    found = line(matrix(rows))
    assert (found.seeds.value, found.together) == (None, True)
    assert found.traces.value == pytest.approx(100 * math.sqrt(0.02))


def test_what_holds_seeds_and_draws_of_traces_is_not_lessened_by_random_draws_that_hold_the_seeds_too():
    """On draws of traces 0.4 and 0.6, a mean square of 0.02; random draws of pairs on each 0.6 and 0.4, the same."""
    rates = {"p/a~b/all/dpo/s0": 0.4, "p/a@1~b@1/all/dpo/s1": 0.6}
    for draw, sign in ((0, 1), (1, -1)):
        rates[f"p/a~b/random-5-s{draw}/dpo/s0"] = 0.5 + 0.1 * sign
        rates[f"p/a@1~b@1/random-5-s{draw}/dpo/s1"] = 0.5 + 0.1 * sign
    found = line(matrix({Arm.parse(name): [rate] * 10 for name, rate in rates.items()}))
    assert (found.seeds.value, found.together) == (None, True)
    assert found.traces.value == pytest.approx(100 * math.sqrt(0.02))
    assert (found.traces.n, found.traces.df) == (1, 1)


def test_random_draws_alone_tell_draws_of_traces_without_the_seeds():
    """Means of 0.4 and 0.6: 0.02, less half of the 0.0002 of random draws, which holds the seeds."""
    names = [
        f"p/{pairing}/random-5-s{draw}/dpo/s{seed}"
        for seed, pairing in enumerate(("a~b", "a@1~b@1"))
        for draw in (0, 1)
    ]
    found = line(
        matrix({Arm.parse(name): [rate] * 10 for name, rate in zip(names, (0.39, 0.41, 0.59, 0.61), strict=True)})
    )
    assert (found.seeds.value, found.together) == (None, False)
    assert found.traces.value == pytest.approx(100 * math.sqrt(0.02 - 0.0001))
