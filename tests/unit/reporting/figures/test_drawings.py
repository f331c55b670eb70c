"""Figures hold whatever arms a study has: nothing is cut, no label hides another, and the CSV has what was drawn."""

import csv
import io
import random

import numpy as np
import pytest

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.budget import BudgetFigure, BudgetPanel, Course
from prefdelta.reporting.figures.canvas import as_files
from prefdelta.reporting.figures.marks import Head, Point
from prefdelta.reporting.figures.scaling import ScalingFigure, ScalingPanel, ScalingPlace, Series

from .drawn import KINDS, draw, labels, made, values


@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_label_hides_another_or_leaves_the_canvas(kind, narrow):
    for seed in range(7):
        figure = draw(made(kind, random.Random(seed)), narrow=narrow)
        width, height = (72 * inches for inches in figure.get_size_inches())
        placed = labels(figure)
        for text, box in placed:
            assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -1, (seed, text)
        ends = np.array([box.extents for _, box in placed])  # left, bottom, right, top
        for place, (text, _) in enumerate(placed):
            shared = np.minimum(ends[place, 2:], ends[:place, 2:]) - np.maximum(ends[place, :2], ends[:place, :2])
            hidden = np.flatnonzero((shared > 1).all(axis=1))
            assert [placed[other][0] for other in hidden] == [], (seed, text)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "heat"])
def test_the_values_are_those_that_were_drawn(kind):
    """Rows of dots have their value across, all others up."""
    for seed in range(3):
        drawing = made(kind, random.Random(seed))
        for narrow in (False, True):
            drawn = values(draw(drawing, narrow=narrow))
            written = dict(enumerate(drawing.marks()))
            assert sorted(drawn) == sorted(written)
            for number, mark in written.items():
                x, y = drawn[number]
                assert mark.y == pytest.approx(x if kind == "dots" else y)
                if kind in ("scaling", "scatter"):
                    assert mark.x == pytest.approx(x)


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_one_drawing_and_its_values(kind):
    drawing = made(kind, random.Random(3))
    files = as_files(drawing, "#2b6cb0")
    assert set(files) == {"svg", "pdf", "csv"}
    read = list(csv.DictReader(io.StringIO(files["csv"].decode())))
    assert [float(row["y"]) for row in read] == [mark.y for mark in drawing.marks()]
    assert files == as_files(drawing, "#2b6cb0")


def test_a_name_that_a_spreadsheet_would_run_is_text():
    point = Point(Estimate(1.0, None, None, 9))
    head = Head("=1+1", "")
    drawing = ScalingFigure(
        [ScalingPanel(head, [Series("-x", [point])])], [ScalingPlace("p", point.estimate, "")], "x", "y"
    )
    (row,) = csv.DictReader(io.StringIO(as_files(drawing, "#000000")["csv"].decode()))
    assert (row["panel"], row["series"]) == ("'=1+1", "'-x")


@pytest.mark.parametrize(("borrowed", "value", "drawn"), [(True, 90.0, False), (True, 9.0, True), (False, 90.0, True)])
def test_a_control_of_another_experiment_that_squeezes_the_rest_is_left_to_the_table(borrowed, value, drawn):
    def course(name, at, is_borrowed):
        return Course(name, {5: Point(Estimate(at, at - 1, at + 1, 9))}, "all", is_borrowed, {})

    panel = BudgetPanel(Head("", ""), [course("own", 8.0, False), course("lent", value, borrowed)], {}, None, None)
    drawing = BudgetFigure([panel], [5], "points")
    assert ({"lent"} <= {mark.series for mark in drawing.marks()}) == drawn
    told = [text for text, _ in labels(draw(drawing, narrow=False)) if "squeeze the rest" in text]
    assert [text.endswith("lent.") for text in told] == ([] if drawn else [True])


def test_a_line_joins_generators_of_one_family():
    at = [Estimate(float(x), None, None, 9) for x in range(5)]
    families = ["s1", "s1", "s1", "r1", None]
    places = [ScalingPlace(str(number), x, family) for number, (x, family) in enumerate(zip(at, families, strict=True))]
    series = Series("", [Point(Estimate(3.0, 2.0, 4.0, 9))] * 5)
    figure = draw(ScalingFigure([ScalingPanel(Head("", ""), [series])], places, "x", "y"), narrow=False)
    joined = [list(line.get_xdata()) for line in figure.axes[0].get_lines() if len(line.get_xdata()) > 2]
    assert joined == [[0, 1, 2]]
