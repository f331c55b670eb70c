import numpy as np
import pytest

from prefdelta.reporting.numbers.bootstrap import Bootstrap

BOOTSTRAP = Bootstrap(2000, 1)


def test_parts_have_equal_weight_however_large_they_are():
    found = BOOTSTRAP.of_means([[1.0] * 10, [0.0] * 990], "x")
    assert (found.value, found.low, found.high, found.n) == (0.5, 0.5, 0.5, 1000)


def test_the_interval_of_a_mean_of_means_is_that_of_independent_parts():
    chance = np.random.default_rng(0)
    parts = [chance.integers(0, 2, size=n).astype(float) for n in (30, 1000)]
    found = BOOTSTRAP.of_means([part.tolist() for part in parts], "x")
    deviation = np.sqrt(sum(part.var() / len(part) for part in parts)) / 2
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.08)


def test_columns_of_one_thing_are_drawn_together():
    rows = np.random.default_rng(0).normal(size=(50, 1))
    found = BOOTSTRAP.of_function([np.hstack([rows, rows + 1])], lambda means: means[..., 1] - means[..., 0], "x")
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


def test_a_function_and_a_mean_agree():
    parts = [np.random.default_rng(n).normal(size=(n, 1)) for n in (40, 60)]
    mean = BOOTSTRAP.of_means([part[:, 0].tolist() for part in parts], "x")
    same = BOOTSTRAP.of_function(parts, lambda means: means[..., 0], "y")
    assert same.value == pytest.approx(mean.value)
    assert (same.low, same.high) == pytest.approx((mean.low, mean.high), abs=0.03)


@pytest.mark.parametrize("parts", [[], [[]], [[1.0], []]])
def test_without_values_there_is_no_mean(parts):
    assert BOOTSTRAP.of_means(parts, "x").value is None


def test_one_value_has_no_interval():
    found = BOOTSTRAP.of_means([[1.0, 0.0], [0.0]], "x")
    assert (found.value, found.low) == (0.25, None)
