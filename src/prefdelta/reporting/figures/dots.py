"""Rows of dots with intervals, along one x axis that all panels share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from typing import TYPE_CHECKING, Literal

from prefdelta.reporting.figures.canvas import NARROW, WIDE, Palette, bare, moved, signed_ticks, text_at
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.marks import DASHED, DOTTED, Head, Point, limits, mark_style
from prefdelta.reporting.figures.text import SMALL, fitted, height, widest
from prefdelta.reporting.figures.values import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW, _DOT = 26.0, 18.0  # px: the least height of a row; the room of a dot below its label
_FOOT = 46  # px: tick labels and the unit
_MOST = 330.0  # px: width of labels beside the dots
Labels = Literal["left", "above", "none"]  # where the labels of a panel's rows are


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of a panel."""

    label: str
    point: Point
    apart: bool = False  # drawn open, not filled: not comparable with the other rows


@dataclass(frozen=True, slots=True)
class Band:
    """A reference for some rows: a dashed line with its interval."""

    first: int  # row
    last: int
    point: Point


@dataclass(frozen=True, slots=True)
class DotPanel:
    head: Head
    dots: Sequence[Dot]  # the same labels in every panel
    bands: Sequence[Band] = ()


@dataclass(frozen=True, slots=True)
class _Rows:
    """Labels as they fit, and the rows that they stand in. Sizes in px."""

    labels: Sequence[str]
    heights: Sequence[float]

    @property
    def tops(self) -> list[float]:
        """Where rows begin, from the top; and where the last one ends."""
        return [0.0, *accumulate(self.heights)]


@dataclass(frozen=True, slots=True)
class DotFigure:
    """Small multiples: a dot and its interval per row, small dots for repeats, a dotted line along 0.

    Wide: panels side by side, labels to the left of the first. Narrow: one column, labels above the dots.
    """

    panels: Sequence[DotPanel]
    unit: str

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        names = [dot.label for dot in self.panels[0].dots]
        columns = Columns(NARROW, 1, left=8, gap=22) if narrow else self._columns(names)
        px = columns.panel
        labels = [fitted(name, px if narrow else columns.left - 20) for name in names]
        lines = [height(label.count("\n") + 1) for label in labels]
        rows = _Rows(labels, [line + _DOT if narrow else max(line + 8, _ROW) for line in lines])
        head = max(panel.head.height(px) for panel in self.panels)
        grid = Grid(columns, len(self.panels), px, head, rows.tops[-1], foot=_FOOT, between=columns.gap)
        span = limits(value for panel in self.panels for dot in panel.dots for value in dot.point.values())
        ticks = signed_ticks(span, px, 5 if narrow else 4)
        figure = grid.figure()
        numbers = count()
        for index, panel in enumerate(self.panels):
            axes = grid.axes(figure, index)
            axes.set_xlim(*span)
            axes.set_ylim(rows.tops[-1], 0)
            axes.set_xticks(*ticks)
            where: Labels = "above" if narrow else "left" if grid.is_first_in_row(index) else "none"
            _draw(axes, panel, self.unit, rows, where, palette, numbers)
            panel.head.draw(axes, (span[0], 0), px, palette)
        return figure

    def marks(self) -> list[Mark]:
        """See Drawing."""
        return [
            mark
            for panel in self.panels
            for label, point, kind in _points(panel)
            for mark in point.marks(panel.head.title, "", label, self.unit, kind=kind)
        ]

    def _columns(self, names: Sequence[str]) -> Columns:
        left = min(widest(names) + 1, _MOST) + 20
        count = max(1, min(len(self.panels), 4, int((WIDE - left) // 150)))
        if len(self.panels) > count:  # rows of equal length
            count = -(-len(self.panels) // -(-len(self.panels) // count))
        return Columns(WIDE, count, left, gap=24)


def _points(panel: DotPanel) -> Iterator[tuple[str, Point, str]]:
    """(row, what is drawn in it, its kind), in the order of drawing; a band is a mark of its own."""
    for band in panel.bands:
        yield f"{panel.dots[band.first].label} to {panel.dots[band.last].label}", band.point.alone, "reference"
    for dot in panel.dots:
        yield dot.label, dot.point, "mean"


def _draw(
    axes: "Axes", panel: DotPanel, unit: str, rows: _Rows, labels: Labels, palette: Palette, numbers: "count[int]"
) -> None:
    bare(axes, palette, ["bottom"])
    axes.set_yticks([])
    axes.set_xlabel(unit, color=palette.muted, fontsize=SMALL, labelpad=2)
    axes.axvline(0, color=palette.ink, linewidth=1, linestyle=DOTTED, zorder=1)
    tops, left = rows.tops, axes.get_xlim()[0]
    for band in panel.bands:
        _draw_band(axes, band, tops[band.first] + 1, tops[band.last + 1] - 1, palette, numbers)
    for dot, label, top, tall in zip(panel.dots, rows.labels, tops, rows.heights, strict=False):
        y = top + tall - _DOT / 2 if labels == "above" else top + tall / 2
        _draw_dot(axes, dot, y, palette, numbers)
        if labels == "above":
            behind = {"facecolor": palette.paper, "edgecolor": "none", "pad": 1}
            text_at(axes, (0, 0), (left, top + 1), label, palette.ink, va="top", bbox=behind)
        elif labels == "left":
            text_at(axes, (-12, 0), (left, y), label, palette.ink, ha="right", va="center")


def _draw_band(axes: "Axes", band: Band, top: float, bottom: float, palette: Palette, numbers: "count[int]") -> None:
    estimate, colour = band.point.estimate, palette.series[0]
    if estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        axes.fill_between([estimate.low, estimate.high], top, bottom, color=colour, alpha=0.13, linewidth=0, zorder=0.5)
    line = [estimate.value, estimate.value], [top, bottom]
    axes.plot(*line, color=colour, linewidth=1, linestyle=DASHED, zorder=1.5, gid=f"mark-{next(numbers)}")


def _draw_dot(axes: "Axes", dot: Dot, y: float, palette: Palette, numbers: "count[int]") -> None:
    axes.axhline(y, color=palette.rule, linewidth=0.6, zorder=0)
    estimate, colour = dot.point.estimate, palette.series[0]
    if estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        ends = [estimate.low, estimate.high]
        axes.plot(ends, [y, y], color=colour, linewidth=1.8, solid_capstyle="round", zorder=2)
    style = mark_style(colour, palette, size=5.5 if dot.apart else 6.5, edge=1.6, filled=not dot.apart)
    axes.plot([estimate.value], [y], "o", zorder=4, gid=f"mark-{next(numbers)}", **style)
    for run in dot.point.runs:
        style = mark_style(palette.muted, palette, size=2.6, edge=0, filled=True)
        below = moved(axes, 0, -5)
        axes.plot([run.value], [y], "o", transform=below, zorder=3, gid=f"mark-{next(numbers)}", **style)
