"""Reliability of deltas and sets, against numbers made by hand and against planted truths."""

import random
from statistics import fmean

import numpy as np
import pytest

from prefdelta.core.judging import reliability
from prefdelta.core.judging.intervals import of_means


def by_name(values):
    return {f"{number:05}": value for number, value in enumerate(values)}


X, Y = by_name([2.0, 1.0, 0.0, 0.0]), by_name([1.0, 1.0, 2.0, -1.0])


def test_correlation_and_slope_by_hand():
    means = reliability.two_judgings(X, Y | {"only here": 9.0}).mean(axis=0)
    # Means 0.75 and 0.75; covariance 3/4 - 9/16 = 3/16; variances 5/4 - 9/16 = 11/16 and 7/4 - 9/16 = 19/16.
    assert reliability.slope(means) == pytest.approx(3 / 11)
    assert reliability.correlation(means) == pytest.approx(3 / (11 * 19) ** 0.5)


def test_three_times_the_votes_by_hand():
    assert reliability.with_votes(0.5, 3) == pytest.approx(0.75)
    assert reliability.with_votes(0.75, 1 / 3) == pytest.approx(0.5)


def test_a_selected_set_by_hand():
    # Of the pairs of value 0 one is drawn, so each has half a chance. The last pair was not judged again.
    chances = by_name([1.0, 0.0, 0.5, 0.5])
    second = {name: Y[name] for name in list(Y)[:3]}
    means = reliability.selected_set(X, second, chances).mean(axis=0)
    assert reliability.judged_mean(means) == pytest.approx(2 / 2)
    assert reliability.mean_judged_again(means) == pytest.approx((1.0 + 0.5 * 2.0) / 1.5)
    # On the first three: x = 2, 1, 0 and y = 1, 1, 2: covariance 1 - 4/3, variance 5/3 - 1, so the slope is -1/2.
    assert reliability.corrected_mean(means) == pytest.approx(0.75 - 0.5 * (1.0 - 0.75))


def test_two_sets_by_hand():
    means = reliability.two_sets(by_name([1.0, 1.0, 0.0, 0.0]), by_name([1.0, 0.5, 0.5, 0.0])).mean(axis=0)
    assert reliability.not_taken(means) == pytest.approx(1 - 1.5 / 2)
    assert reliability.jaccard(means) == pytest.approx(1.5 / (2 + 2 - 1.5))


def test_a_partial_correlation_is_that_of_what_is_left_by_the_third():
    chance = np.random.default_rng(0)
    length = chance.normal(size=200)
    delta, correct = length + chance.normal(size=200), 0.5 * length + chance.normal(size=200)
    columns = reliability.three_variables(*map(by_name, map(list, (delta, correct, length))))
    left = [values - np.polyval(np.polyfit(length, values, 1), length) for values in (delta, correct)]
    assert reliability.partial_correlation(columns.mean(axis=0)) == pytest.approx(np.corrcoef(*left)[0, 1])
    constant = reliability.three_variables(*map(by_name, map(list, (delta, correct, np.zeros(200)))))
    plain = np.corrcoef(delta, correct)[0, 1]
    assert reliability.partial_correlation(constant.mean(axis=0)) == pytest.approx(plain)


def test_what_does_not_vary_has_no_correlation():
    same = by_name([1.0] * 5)
    assert of_means(reliability.two_judgings(same, same), reliability.correlation, "correlation").value is None


def study(number, n=600, k=200):
    """True deltas of variance 1, two judgings with errors of variance 1: the reliability is 1/2."""
    chance = random.Random(number)
    true = [chance.gauss(0.5, 1) for _ in range(n)]
    first, second = (by_name([value + chance.gauss(0, 1) for value in true]) for _ in range(2))
    top = sorted(first, key=lambda name: -first[name])[:k]
    chances = {name: float(name in top) for name in first}
    return by_name(true), first, second, top, chances


def test_intervals_hold_the_planted_reliability_and_the_true_mean_of_the_selected_set():
    held_slope = held_mean = held_again = judged_above = 0
    for number in range(40):
        true, first, second, top, chances = study(number)
        slope = of_means(reliability.two_judgings(first, second), reliability.slope, "plain")
        held_slope += slope.low <= 0.5 <= slope.high
        truth = fmean(true[name] for name in top)
        columns = reliability.selected_set(first, second, chances)
        corrected = of_means(columns, reliability.corrected_mean, "plain")
        held_mean += corrected.low <= truth <= corrected.high
        again = of_means(columns, reliability.mean_judged_again, "plain")
        held_again += again.low <= truth <= again.high
        judged_above += fmean(first[name] for name in top) > corrected.high
    # Of 40 intervals that hold with 0.95, 34 or fewer hold with a chance of 1.4%; the seeds are fixed.
    assert held_slope >= 35
    assert held_mean >= 35
    assert held_again >= 35
    assert judged_above == 40, "the judged mean has the selected errors in it"


@pytest.mark.parametrize("scale", ["correlation", "share"])
def test_an_interval_stays_on_its_scale(scale):
    rows = np.array([[0.0], [1.0], [1.0], [1.0], [1.0]])
    found = of_means(rows, lambda means: means[..., 0], scale)
    assert found.value == pytest.approx(0.8)
    assert -1 < found.low < 0.8 < found.high < 1


def test_the_interval_of_a_plain_mean_is_student_s():
    rows = np.array([[1.0], [2.0], [4.0]])
    found = of_means(rows, lambda means: means[..., 0], "plain")
    # Standard deviation 1.5275, standard error 0.8819, t(0.975, 2) = 4.3027.
    assert (found.value, found.se) == (pytest.approx(7 / 3), pytest.approx(0.8819, abs=1e-4))
    assert found.high - found.value == pytest.approx(4.3027 * 0.8819, abs=1e-3)
