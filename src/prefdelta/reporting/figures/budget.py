"""Gains against the number of training pairs: a line per dimension, random draws as a band, controls as marks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import (
    LINE,
    NARROW,
    SMALL,
    WIDE,
    Palette,
    bare,
    signed_ticks,
    text_at,
    wrapped,
)
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.marks import Head, Point, draw_head, limits, mark_style, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BODY = 220  # px
_TOP = ("o", "s", "^", "D", "v", "P")  # marks of the lines
_OTHER = ("X", "<", ">", "p", "h", "8", "d")  # open marks of the controls
_AXIS = "pairs trained on, a log scale; at the right, all of them"
_MARGIN = 0.09  # share of the axis, on both sides
_CLOSEST = 0.18  # share of the axis: the least distance of `all` from the largest k


@dataclass(frozen=True, slots=True)
class Course:
    """The gains of one way of selecting: at every k and, last, with all pairs."""

    name: str
    kind: str  # top: a line; random: a band; other: marks alone
    style: int  # number of its colour or mark, so that it looks alike in every figure
    estimates: Sequence[Estimate | None]  # None without such an arm
    remarks: Sequence[str]  # a sign beside each mark, or nothing


@dataclass(frozen=True, slots=True)
class BudgetPanel:
    head: Head
    courses: Sequence[Course]


@dataclass(frozen=True, slots=True)
class _Look:
    colour: str
    mark: str
    filled: bool


@dataclass(frozen=True, slots=True)
class _Mark:
    x: float
    value: float
    low: float
    high: float
    remark: str


@dataclass(frozen=True, slots=True)
class BudgetFigure:
    """Panels that share an x axis, each with its own y axis; a dotted line along 0, the untrained policy."""

    panels: Sequence[BudgetPanel]
    ks: Sequence[int]  # rising
    whole: int | None  # the number of pairs of `all`
    unit: str

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        columns = Columns(NARROW, 1, 44, 34) if narrow else Columns(WIDE, min(len(self.panels), 2), 52, 60)
        looks = self._looks(palette)
        per_row = max(1, int((columns.width - columns.left) // (width_of(looks) + 34)))
        legend = (LINE + 5) * -(-len(looks) // per_row) + 12
        head = max(panel.head.height(columns.panel) for panel in self.panels) + 6
        foot = 34 + LINE * (2 + wrapped(_AXIS, columns.panel, SMALL).count("\n"))
        grid = Grid(columns, len(self.panels), columns.panel, head, _BODY, foot, legend=legend)
        figure = grid.figure()
        for index, panel in enumerate(self.panels):
            axes = grid.axes(figure, index)
            top = self._draw(axes, panel, looks, columns.panel, palette)
            draw_head(axes, panel.head, (-_MARGIN, top), columns.panel, palette)
        _draw_keys(grid.legend_axes(figure), looks, per_row, palette)
        return figure

    def _looks(self, palette: Palette) -> dict[str, _Look]:
        """Name of a course -> its look, the same in every panel."""
        return {course.name: _look(course, palette) for panel in self.panels for course in panel.courses}

    def _places(self) -> list[float]:
        """The places of every k and of all pairs on the x axis, 0 to 1."""
        logs = [math.log10(k) for k in self.ks]
        length = max(logs[-1] - logs[0], 0.3)
        last = max(math.log10(self.whole) if self.whole else 0.0, logs[-1] + _CLOSEST * length)
        return [(place - logs[0]) / (last - logs[0]) for place in (*logs, last)]

    def _draw(self, axes: "Axes", panel: BudgetPanel, looks: dict[str, _Look], px: float, palette: Palette) -> float:
        """Draw a panel. Returns the upper end of the y axis."""
        places = self._places()
        span = limits(
            value
            for course in panel.courses
            for estimate in course.estimates
            if estimate is not None
            for value in Point(estimate).values()
        )
        axes.set_xlim(-_MARGIN, 1 + _MARGIN)
        axes.set_ylim(*span)
        bare(axes, palette, ["bottom"])
        signed_ticks(axes.yaxis, 6)
        axes.set_axisbelow(True)
        axes.grid(axis="y", color=palette.rule, linewidth=0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_ylabel(self.unit, color=palette.muted, fontsize=SMALL, labelpad=3)
        axes.set_xlabel(wrapped(_AXIS, px, SMALL), color=palette.muted, fontsize=SMALL, labelpad=3)
        whole = f"all\n{self.whole:,}" if self.whole else "all"
        axes.set_xticks(places, [*(f"{k:,}" for k in self.ks), whole])
        axes.axhline(0, color=palette.ink, linewidth=1.2, linestyle=(0, (1, 2)), zorder=1)
        # Marks of one k stand beside each other, as far apart as the closest two k allow.
        marked = [course for course in panel.courses if course.kind != "random"]
        closest = min(after - before for before, after in pairwise(places))
        step = min(0.72 * closest / max(len(marked), 1), 9 * (1 + 2 * _MARGIN) / px)
        shifted = _beside(marked, places, step)
        for course in panel.courses:
            if course.kind == "random":
                _draw_band(axes, _known(course, places), palette)
            else:
                known = _known(course, shifted[course.name])
                _draw_course(axes, known, looks[course.name], line=course.kind == "top", palette=palette)
        return span[1]


def _look(course: Course, palette: Palette) -> _Look:
    match course.kind:
        case "top":
            return _Look(palette.series[course.style % len(palette.series)], _TOP[course.style % len(_TOP)], True)
        case "random":
            return _Look(palette.muted, "", True)
        case _:
            return _Look(palette.ink, _OTHER[course.style % len(_OTHER)], False)


def _beside(courses: Sequence[Course], places: Sequence[float], step: float) -> dict[str, list[float]]:
    """Course -> x of its marks. Marks of the same place lie beside each other, around it."""
    shifted: dict[str, list[float]] = {course.name: [] for course in courses}
    for at, place in enumerate(places):
        marked = [course.name for course in courses if course.estimates[at] is not None]
        for course in courses:
            rank = marked.index(course.name) - (len(marked) - 1) / 2 if course.name in marked else 0.0
            shifted[course.name].append(place + step * rank)
    return shifted


def _known(course: Course, places: Sequence[float]) -> list[_Mark]:
    marks = []
    for place, estimate, remark in zip(places, course.estimates, course.remarks, strict=True):
        if estimate is not None and estimate.value is not None:
            low, high = (estimate.value if end is None else end for end in (estimate.low, estimate.high))
            marks.append(_Mark(place, estimate.value, low, high, remark))
    return marks


def _draw_band(axes: "Axes", known: Sequence[_Mark], palette: Palette) -> None:
    if len(known) == 1:  # a band needs a width
        known = [replace(known[0], x=known[0].x + side) for side in (-0.05, 0.05)]
    x = [mark.x for mark in known]
    low, high = [mark.low for mark in known], [mark.high for mark in known]
    axes.fill_between(x, low, high, color=palette.muted, alpha=0.22, linewidth=0, zorder=0.5)
    axes.plot(x, [mark.value for mark in known], color=palette.muted, linewidth=1.4, linestyle=(0, (4, 3)), zorder=1.5)


def _draw_course(axes: "Axes", known: Sequence[_Mark], look: _Look, *, line: bool, palette: Palette) -> None:
    if line:
        x, y = [mark.x for mark in known], [mark.value for mark in known]
        axes.plot(x, y, color=look.colour, linewidth=1.2, alpha=0.7)
    for mark in known:
        axes.plot([mark.x] * 2, [mark.low, mark.high], color=look.colour, linewidth=1, alpha=0.55, zorder=2)
        axes.plot([mark.x], [mark.value], look.mark, **_mark(look, palette), zorder=4)
        if mark.remark:
            text_at(axes, (4, 3), (mark.x, mark.value), mark.remark, look.colour, fontsize=SMALL)


def _mark(look: _Look, palette: Palette) -> dict[str, Any]:
    return mark_style(look.colour, palette, size=6, edge=1.3, filled=look.filled)


def _draw_keys(axes: "Axes", looks: dict[str, _Look], per_row: int, palette: Palette) -> None:
    """The legend: a mark, or a piece of band, and its name; rows from the top."""
    width, top = axes.get_xlim()[1], axes.get_ylim()[1]
    for number, (name, look) in enumerate(looks.items()):
        row, column = divmod(number, per_row)
        x, y = column * width / per_row + 12, top - (LINE + 5) * (row + 0.5)
        if look.mark:
            if look.filled:
                axes.plot([x - 9, x + 9], [y, y], color=look.colour, linewidth=1.2, alpha=0.7)
            axes.plot([x], [y], look.mark, **_mark(look, palette))
        else:
            axes.fill_between([x - 9, x + 9], y - 5, y + 5, color=palette.muted, alpha=0.22, linewidth=0)
            axes.plot([x - 9, x + 9], [y, y], color=palette.muted, linewidth=1.4, linestyle=(0, (4, 3)))
        text_at(axes, (14, 0), (x, y), name, palette.ink, va="center", fontsize=SMALL)
