import pytest

from prefdelta.reporting.claims.slopes import bend, slope


def weighted(weights, y):
    return sum(weight * one for weight, one in zip(weights, y, strict=True))


def test_a_slope_is_that_of_least_squares():
    x = [0.0, 1.0, 3.0, 4.0]
    assert weighted(slope(x), [2 + 3 * one for one in x]) == pytest.approx(3)
    assert weighted(slope(x), [1.0, 0.0, 0.0, 1.0]) == pytest.approx(0)
    assert sum(slope(x)) == pytest.approx(0)  # the base cancels


def test_a_bend_is_the_change_of_slope():
    x = [0.0, 1.0, 2.0, 3.0, 4.0]
    assert weighted(bend(x), x) == pytest.approx(0)
    assert weighted(bend(x), [0.0, 1.0, 2.0, 2.0, 2.0]) == pytest.approx(-1)  # a plateau


@pytest.mark.parametrize("x", [[], [1.0], [1.0, 2.0], [1.0, 1.0, 1.0]])
def test_too_few_places_have_no_slope(x):
    assert slope(x) is None
    assert bend(x) is None
