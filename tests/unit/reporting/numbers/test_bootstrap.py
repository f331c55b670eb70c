import numpy as np
import pytest

from prefdelta.reporting.numbers.bootstrap import Bootstrap

BOOTSTRAP = Bootstrap(2000, 1)


def first(means):
    return means[..., 0]


def test_parts_have_equal_weight_however_large_they_are():
    parts = [np.array([[1.0], [0.0]] * 5), np.array([[0.0], [0.5]] * 500)]
    found = BOOTSTRAP.of_function(parts, first, "x")
    assert (found.value, found.n) == (0.375, 1010)


def test_the_interval_of_a_mean_of_means_is_that_of_independent_parts():
    chance = np.random.default_rng(0)
    parts = [chance.integers(0, 2, size=(n, 1)).astype(float) for n in (60, 1000)]
    found = BOOTSTRAP.of_function(parts, first, "x")
    deviation = np.sqrt(sum(part.var() / len(part) for part in parts)) / 2
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.08)
    assert found.se == pytest.approx(deviation, rel=0.08)


def test_columns_of_one_thing_are_drawn_together():
    rows = np.random.default_rng(0).normal(size=(50, 1))
    found = BOOTSTRAP.of_function([np.hstack([rows, 2 * rows])], lambda means: means[..., 1] / means[..., 0], "x")
    assert (found.value, found.low) == (pytest.approx(2.0), None)  # it is 2 in each sample: no interval of width 0


def test_a_draw_is_named_by_what_is_drawn():
    rows = np.random.default_rng(0).normal(size=(50, 1))
    assert BOOTSTRAP.of_function([rows], first, "x") == BOOTSTRAP.of_function([rows], first, "x")
    assert BOOTSTRAP.of_function([rows], first, "x") != BOOTSTRAP.of_function([rows], first, "y")


def test_the_luck_of_runs_is_added_to_that_of_items():
    rows = np.random.default_rng(0).normal(size=(400, 2))
    found = BOOTSTRAP.of_function(
        [rows],
        lambda means: means[..., 1] - means[..., 0],
        "x",
        runs=lambda size, generator: generator.normal(0, 0.3, size=(size, 2)),
        run_df=7,
    )
    expected = np.hypot((rows[:, 1] - rows[:, 0]).std() / 20, 0.3 * np.sqrt(2))
    assert (found.se, found.run_df) == (pytest.approx(expected, rel=0.06), 7)


@pytest.mark.parametrize("parts", [[], [np.zeros((0, 1))], [np.ones((5, 1)), np.ones((1, 1))]])
def test_without_two_units_in_each_part_there_is_no_value(parts):
    assert BOOTSTRAP.of_function(parts, first, "x").value is None


def test_a_function_that_is_nowhere_finite_has_no_value():
    assert BOOTSTRAP.of_function([np.ones((5, 1))], lambda means: first(means) * np.nan, "x").value is None
