import math
import random

import pytest

from prefdelta.core.statistics import NOTHING, mean_interval, rank_correlation, wilson_interval


def test_wilson_by_hand():
    # 8 of 10: centre (0.8 + z²/20) / (1 + z²/10), half width z·√(0.8·0.2/10 + z²/400) / (1 + z²/10), z = 1.959964
    z = 1.959964
    centre = (0.8 + z**2 / 20) / (1 + z**2 / 10)
    half = z * math.sqrt(0.8 * 0.2 / 10 + z**2 / 400) / (1 + z**2 / 10)
    found = wilson_interval(8, 10)
    assert (found.value, found.n) == (0.8, 10)
    assert found.low == pytest.approx(centre - half, abs=1e-6) == pytest.approx(0.490162, abs=1e-6)
    assert found.high == pytest.approx(centre + half, abs=1e-6) == pytest.approx(0.943318, abs=1e-6)


@pytest.mark.parametrize("successes", [0, 5])
def test_wilson_stays_within_bounds_and_has_a_width_at_the_ends(successes):
    found = wilson_interval(successes, 5)
    assert 0 <= found.low < found.high <= 1


def test_nothing_has_no_value():
    assert wilson_interval(0, 0) == NOTHING == mean_interval([], 1000, 1)
    assert NOTHING.value is None


def test_one_value_has_no_interval():
    found = mean_interval([1.0], 1000, 1)
    assert (found.value, found.low, found.high, found.n) == (1.0, None, None, 1)


def test_mean_interval_is_that_of_the_normal_approximation_for_large_n():
    values = [1] * 300 + [0] * 500 + [-1] * 200
    found = mean_interval(values, 4000, 7)
    deviation = math.sqrt((300 + 200) / 1000 - 0.1**2) / math.sqrt(1000)
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - 1.96 * deviation, abs=0.004)
    assert found.high == pytest.approx(0.1 + 1.96 * deviation, abs=0.004)


def test_mean_interval_covers_as_often_as_it_says():
    random_ = random.Random(3)
    covered = 0
    for trial in range(300):
        found = mean_interval([random_.choice([-1, 0, 0, 1, 1]) for _ in range(200)], 500, trial)
        covered += found.low <= 0.2 <= found.high
    assert 0.90 <= covered / 300 <= 0.99


def test_paired_differences_are_narrower_than_their_sides_are_apart():
    random_ = random.Random(5)
    base = [random_.random() < 0.5 for _ in range(400)]
    arm = [solved or random_.random() < 0.1 for solved in base]  # never worse: the pairs know that, the sides do not
    found = mean_interval([int(a) - int(b) for a, b in zip(arm, base, strict=True)], 2000, 1)
    sides = [wilson_interval(sum(side), 400) for side in (base, arm)]
    assert found.low > 0
    assert sides[0].high > sides[1].low


def test_order_does_not_matter_and_the_seed_does():
    values = [1, 0, -1, 1, 0, 0, 0.5] * 20
    assert mean_interval(values, 500, 1) == mean_interval(values[::-1], 500, 1)
    assert mean_interval(values, 500, 1) != mean_interval(values, 500, 2)


def test_rank_correlation_by_hand():
    # Ranks 1 2 3 4 5 against 2 1 4 3 5: rho = 1 - 6 * 4 / (5 * 24) = 0.8
    found = rank_correlation([1, 2, 3, 4, 5], [20, 10, 40, 30, 50])
    assert (found.value, found.n) == (pytest.approx(0.8), 5)
    half = 1.959964 * math.sqrt((1 + 0.8**2 / 2) / 2)
    assert found.low == pytest.approx(math.tanh(math.atanh(0.8) - half), abs=1e-6)
    assert found.high == pytest.approx(math.tanh(math.atanh(0.8) + half), abs=1e-6)


def test_rank_correlation_of_a_constant_has_no_value():
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).value is None
    assert rank_correlation([], []) == NOTHING


def test_a_perfect_rank_correlation_has_no_interval():
    found = rank_correlation([1, 2, 3, 4, 5], [1, 4, 9, 16, 25])
    assert (found.value, found.low) == (pytest.approx(1.0), None)


def test_rank_correlation_covers_zero_for_unrelated_values():
    random_ = random.Random(9)
    covered = 0
    for _ in range(300):
        x, y = ([random_.randint(-4, 4) for _ in range(60)] for _ in range(2))
        found = rank_correlation(x, y)
        covered += found.low <= 0 <= found.high
    assert 0.90 <= covered / 300 <= 0.99
