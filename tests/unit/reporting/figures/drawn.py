"""Random figures of every kind, and what was drawn in them."""

import random

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from prefdelta.core.statistics import NOTHING, Estimate
from prefdelta.reporting.figures.budget import BudgetFigure, BudgetPanel, Course
from prefdelta.reporting.figures.canvas import STYLE, Drawing, print_palette
from prefdelta.reporting.figures.dots import Band, Dot, DotFigure, DotPanel
from prefdelta.reporting.figures.heatmap import HeatFigure, HeatPanel, Shared
from prefdelta.reporting.figures.marks import Head, Point, Repeat
from prefdelta.reporting.figures.scaling import ScalingFigure, ScalingPanel, ScalingPlace, Series
from prefdelta.reporting.figures.scatter import Crossing, ScatterFigure, ScatterPanel
from prefdelta.reporting.figures.values import MarkSource

KINDS = ("scaling", "dots", "budget", "scatter", "heat")


def draw(drawing: Drawing, *, narrow: bool) -> Figure:
    with rc_context(STYLE | {"text.hinting": "none"}):  # as in SVG and PDF
        figure = drawing.draw(print_palette("#2b6cb0"), narrow=narrow)
        FigureCanvasAgg(figure).draw()
    return figure


def labels(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that can be seen, and the box around it, in px from the lower left corner."""
    renderer = figure.canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), Text.get_window_extent(text, renderer)) for text in texts]


def values(figure: Figure) -> dict[int, tuple[float, float]]:
    """Number of a mark -> its place in the data."""
    found = {}
    for axes in figure.axes:
        for artist in axes.get_children():
            gid = artist.get_gid() or ""
            if gid.startswith("mark-") and hasattr(artist, "get_xydata"):
                found[int(gid.removeprefix("mark-"))] = tuple(map(float, artist.get_xydata()[0]))
    return found


def made(kind: str, rng: random.Random) -> Drawing:
    """A figure of 1 to 40 arms, with long names, extreme values and missing intervals among them."""
    names = list(dict.fromkeys(_name(rng) for _ in range(rng.choice([1, 2, 5, 12, 40]))))
    panels = [_head(rng) for _ in range(rng.randint(1, 3))]
    size = rng.choice([1e-3, 1.0, 30.0, 1e6])
    match kind:
        case "scaling":
            spread = rng.choice([0.0, 1.0, 60.0])
            places = [ScalingPlace(name, _estimate(rng, spread), rng.choice(["a", "b", None])) for name in names]
            series = [_name(rng) for _ in range(rng.choice([1, 1, 3]))]
            return ScalingFigure(
                [
                    ScalingPanel(head, [Series(one, [_point(rng, size) for _ in names]) for one in series])
                    for head in panels
                ],
                places,
                "chosen minus rejected, " * rng.randint(1, 6),
                "percentage points",
            )
        case "dots":
            bands = [Band(0, len(names) - 1, _point(rng, size))] if rng.random() < 0.5 else []
            return DotFigure(
                [
                    DotPanel(head, [Dot(name, _point(rng, size), rng.random() < 0.2) for name in names], bands)
                    for head in panels
                ],
                "percentage points",
            )
        case "budget":
            ks = sorted(
                {rng.choice([1, 250, 700, 2500]) * rng.randint(1, 30) for _ in range(rng.choice([1, 2, 5, 12]))}
            )
            return BudgetFigure([_budget(rng, head, names, ks, size) for head in panels], ks, "percentage points")
        case "scatter":
            return ScatterFigure(
                [
                    ScatterPanel(head, [Crossing(name, _estimate(rng, 60), _point(rng, size)) for name in names])
                    for head in panels
                ],
                "chosen minus rejected: accuracy, points",
                "mean delta",
            )
        case _:
            names = [*names, "one", "two"][:14]
            pairs = [(first, second) for at, first in enumerate(names) for second in names[at + 1 :]]
            shares = {pair: Shared(rng.random(), Estimate(0.5, 0.4, 0.6, 99)) for pair in pairs}
            return HeatFigure([HeatPanel(head, shares) for head in panels], names)


def _budget(rng: random.Random, head: Head, names: list[str], ks: list[int], size: float) -> BudgetPanel:
    courses = []
    for name in names:
        some = [*rng.sample(ks, rng.randint(1, len(ks))), *([None] if rng.random() < 0.2 else [])]
        marked = {k: rng.choice(["", "†"]) for k in some}
        points = {k: _point(rng, size) for k in some}
        courses.append(Course(name, points, "other", rng.random() < 0.3, marked))
    random_ones = {k: _point(rng, size) for k in ks if rng.random() < 0.7}
    return BudgetPanel(head, courses, random_ones, rng.choice([None, _point(rng, size)]), 16_500)


def _name(rng: random.Random) -> str:
    words = ["top", "mean", "computational_precision", "g3~g1", "s1.1-32B", "random", "700", "x" * 60, "dpo · pa"]
    return rng.choice("-_~. ").join(rng.sample(words, rng.randint(1, 4)))


def _head(rng: random.Random) -> Head:
    return Head(_name(rng), f"{_name(rng)}; n\u00a0=\u00a01,500", rng.choice([True, False, None]))


def _estimate(rng: random.Random, size: float) -> Estimate:
    value = rng.gauss(0, size)
    match rng.random():
        case chance if chance < 0.1:
            return NOTHING
        case chance if chance < 0.3:
            return Estimate(value, None, None, 9)
    return Estimate(value, value - abs(rng.gauss(0, size)), value + abs(rng.gauss(0, size)), 9)


def _point(rng: random.Random, size: float) -> Point:
    runs = [
        Repeat(rng.gauss(0, size), 9, MarkSource("a run", "gain of a run", 1, ["0"])) for _ in range(rng.choice([0, 3]))
    ]
    return Point(_estimate(rng, size), runs, MarkSource("an arm", "gain of an arm", 3, ["0", "1"]))
