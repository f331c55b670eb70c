from itertools import combinations

import numpy as np
import pytest

from prefdelta.core.arms import Arm, Base
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.passes import pass_at, sizes

BASE, ARM = Base("pico"), Arm.parse("pico/big~small/all/dpo/s0")
NEAR = Evaluation("all", "near")


def matrix(solved, counted):
    """Arms x prompts: right answers, and answers."""
    solved, counted = np.array(solved), np.array(counted)
    means = np.where(counted > 0, solved / np.maximum(counted, 1), np.nan)
    names = {str(name): row for row, name in enumerate([BASE, ARM][: len(solved)])}
    return AnswerMatrix(names, means, counted, counted, np.zeros(len(solved), np.int64), None)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_pass_at_k_is_the_share_of_all_draws_of_k_answers_that_hold_a_right_one(k):
    found = pass_at(matrix([[0, 1, 2, 4, 5]], [[5] * 5]), k).means[0]
    for right, value in zip([0, 1, 2, 4, 5], found, strict=True):
        draws = [any(draw) for draw in combinations([True] * right + [False] * (5 - right), k)]
        assert value == pytest.approx(sum(draws) / len(draws))


def test_a_problem_with_fewer_than_k_answers_does_not_count():
    found = pass_at(matrix([[1, 1, 0]], [[2, 1, 0]]), 2)
    assert found.means[0].tolist()[:1] == [1.0]
    assert np.isnan(found.means[0][1:]).all()
    assert found.counted[0].tolist() == [2, 0, 0]


def test_an_untrained_policy_may_have_more_answers_than_an_arm():
    # Of pairs of 4 answers, all hold one of 3 right ones, and half hold a single right one. The arm: 1 and 0.
    study = Scores(
        {NEAR: matrix([[3, 1], [1, 0]], [[4, 4], [2, 2]])},
        {"all": BenchmarkGroup("All", ["near"], primary=True)},
        Bootstrap(100, 1),
    ).mapped(lambda each: pass_at(each, 2))
    assert study.weighted_difference({BASE: 1.0}, [NEAR]).value == pytest.approx((1 + 0.5) / 2)
    assert study.weighted_difference({ARM: 1.0, BASE: -1.0}, [NEAR]).value == pytest.approx((1 - 1 + 0 - 0.5) / 2)


def test_the_k_that_are_shown():
    assert [sizes(most) for most in (1, 2, 6, 16)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8, 16]]
