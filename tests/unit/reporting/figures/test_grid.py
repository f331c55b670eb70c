import pytest

from prefdelta.reporting.figures.grid import Columns, Grid


def grid(panels: int, **changes: float) -> Grid:
    columns = Columns(width=414, count=2, left=100, gap=20)
    return Grid(columns, panels, columns.panel, head=30, body=50, foot=20, **changes)


def test_panels_share_the_width_that_labels_and_gaps_leave():
    assert grid(2).panel_width == 140


@pytest.mark.parametrize(("panels", "height"), [(1, 100), (2, 100), (3, 210), (4, 210)])
def test_the_height_is_that_of_its_rows(panels, height):
    assert grid(panels, between=10).height == height
    assert grid(panels, between=10, legend=40).height == height + 40


def test_panels_are_placed_in_the_order_of_reading():
    placed = grid(3, between=10, legend=40)
    # From the top: legend 40, head 30, body 50; a row below: 100 and 10 between.
    assert [placed.corner(index) for index in range(3)] == [(100, 130), (260, 130), (100, 20)]
    assert [placed.is_first_in_row(index) for index in range(3)] == [True, False, True]


def test_axes_have_their_places_in_the_figure():
    placed = grid(1, legend=40)
    figure = placed.figure()
    assert tuple(figure.get_size_inches() * 72) == pytest.approx((414, 140))
    box = placed.axes(figure, 0).get_position()
    assert (box.x0 * 414, box.y0 * 140, box.width * 414, box.height * 140) == pytest.approx((100, 20, 140, 50))
    assert placed.legend_axes(figure).get_xlim() == (0, 314)
