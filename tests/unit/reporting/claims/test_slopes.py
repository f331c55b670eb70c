import pytest

from prefdelta.reporting.claims.slopes import deviations, half_slopes, plane, slope


def weighted(weights, y):
    return sum(weight * one for weight, one in zip(weights, y, strict=True))


def test_a_slope_is_that_of_least_squares():
    x = [0.0, 1.0, 3.0, 4.0]
    assert weighted(slope(x), [2 + 3 * one for one in x]) == pytest.approx(3)
    assert weighted(slope(x), [1.0, 0.0, 0.0, 1.0]) == pytest.approx(0)
    assert sum(slope(x)) == pytest.approx(0)  # the base cancels


def test_halves_share_their_middle():
    lower, upper = half_slopes([0.0, 1.0, 2.0, 3.0, 4.0])
    plateau = [0.0, 1.0, 2.0, 2.0, 2.0]
    assert (weighted(lower, plateau), weighted(upper, plateau)) == (pytest.approx(1), pytest.approx(0))
    lower, upper = half_slopes([2.0, 3.0, 5.0])
    assert (weighted(lower, [0.0, 1.0, 0.0]), weighted(upper, [0.0, 1.0, 0.0])) == (
        pytest.approx(1),
        pytest.approx(-0.5),
    )


def test_deviations_from_a_line():
    x = [0.0, 1.0, 2.0]
    rows = deviations(x)
    assert [weighted(row, [5 + 2 * one for one in x]) for row in rows] == pytest.approx([0, 0, 0])
    assert [weighted(row, [0.0, 3.0, 0.0]) for row in rows] == pytest.approx([-1, 2, -1])


def test_a_plane_has_two_slopes_each_without_the_other():
    x, y = [1.0, 2.0, 3.0, 1.0, 3.0], [0.0, 0.0, 0.0, 1.0, 2.0]
    along_x, along_y = plane(x, y)
    z = [7 + 2 * a - 3 * b for a, b in zip(x, y, strict=True)]
    assert (weighted(along_x, z), weighted(along_y, z)) == (pytest.approx(2), pytest.approx(-3))
    assert (sum(along_x), sum(along_y)) == (pytest.approx(0), pytest.approx(0))  # the base cancels


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1.0, 2.0, 3.0], [0.0, 1.0, 0.0]),
        ([1.0, 2.0, 3.0, 4.0], [0.0] * 4),
        ([1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0]),
    ],
    ids=["three places", "one rejected generator", "both rise together"],
)
def test_sides_that_do_not_vary_by_themselves_have_no_plane(x, y):
    assert plane(x, y) is None


@pytest.mark.parametrize("x", [[], [1.0], [1.0, 2.0], [1.0, 1.0, 1.0]])
def test_too_few_places_have_no_slope(x):
    assert slope(x) is None
    assert half_slopes(x) is None
