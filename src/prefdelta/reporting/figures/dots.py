"""Rows of dots with intervals, along one x axis that all panels share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import NARROW, SMALL, WIDE, Palette, bare, signed_ticks, text_at
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.marks import Head, Point, draw_head, limits, mark_style, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW, _NARROW_ROW = 26, 36  # px
_FOOT = 46  # px: tick labels and the unit
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
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class DotPanel:
    head: Head
    dots: Sequence[Dot]  # the same labels in every panel
    bands: Sequence[Band] = ()


@dataclass(frozen=True, slots=True)
class DotFigure:
    """Small multiples: a dot and its interval per row, small dots for repeats, a dotted line along 0.

    Wide: panels side by side, labels to the left of the first. Narrow: one column, labels above the dots.
    """

    panels: Sequence[DotPanel]
    unit: str

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        columns = Columns(NARROW, 1, left=8, gap=22) if narrow else self._columns()
        room = columns.panel + columns.gap  # for titles
        head = max(panel.head.height(room) for panel in self.panels)
        body = max(len(panel.dots) for panel in self.panels) * (_NARROW_ROW if narrow else _ROW)
        grid = Grid(columns, len(self.panels), columns.panel, head, body, foot=_FOOT, between=columns.gap)
        span = limits(value for panel in self.panels for dot in panel.dots for value in dot.point.values())
        figure = grid.figure()
        for index, panel in enumerate(self.panels):
            axes = grid.axes(figure, index)
            labels: Labels = "above" if narrow else "left" if grid.is_first_in_row(index) else "none"
            _draw(axes, panel, self.unit, span, labels, palette)
            draw_head(axes, panel.head, (span[0], -0.5), room, palette)
        return figure

    def _columns(self) -> Columns:
        left = min(round(width_of(dot.label for panel in self.panels for dot in panel.dots)) + 20, 330)
        count = max(1, min(len(self.panels), 4, (WIDE - left) // 150))
        if len(self.panels) > count:  # rows of equal length
            count = -(-len(self.panels) // -(-len(self.panels) // count))
        return Columns(WIDE, count, left, gap=24)


def _draw(
    axes: "Axes", panel: DotPanel, unit: str, span: tuple[float, float], labels: Labels, palette: Palette
) -> None:
    axes.set_xlim(*span)
    axes.set_ylim(len(panel.dots) - 0.5, -0.5)
    bare(axes, palette, ["bottom"])
    axes.set_yticks([])
    signed_ticks(axes.xaxis, 5 if labels == "above" else 4)
    axes.set_xlabel(unit, color=palette.muted, fontsize=SMALL, labelpad=2)
    axes.axvline(0, color=palette.ink, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    for band in panel.bands:
        _draw_band(axes, band, palette)
    shift = 0.24 if labels == "above" else 0.0  # the dots are below the label
    for place, dot in enumerate(panel.dots):
        _draw_dot(axes, dot, place + shift, palette)
        if labels == "above":
            behind = {"facecolor": palette.paper, "edgecolor": "none", "pad": 1}
            text_at(axes, (0, 0), (span[0], place - 0.02), dot.label, palette.ink, bbox=behind)
        elif labels == "left":
            text_at(axes, (-12, 0), (span[0], place), dot.label, palette.ink, ha="right", va="center")


def _draw_band(axes: "Axes", band: Band, palette: Palette) -> None:
    value, low, high = band.estimate.value, band.estimate.low, band.estimate.high
    if value is None:
        return
    top, bottom = band.first - 0.45, band.last + 0.45
    if low is not None and high is not None:
        axes.fill_between([low, high], top, bottom, color=palette.series[0], alpha=0.13, linewidth=0, zorder=0.5)
    axes.plot([value, value], [top, bottom], color=palette.series[0], linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)


def _draw_dot(axes: "Axes", dot: Dot, y: float, palette: Palette) -> None:
    axes.axhline(y, color=palette.rule, linewidth=0.6, zorder=0)
    estimate, colour = dot.point.estimate, palette.series[0]
    if estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        ends = [estimate.low, estimate.high]
        axes.plot(ends, [y, y], color=colour, linewidth=1.8, solid_capstyle="round", zorder=2)
    if len(dot.point.repeats) > 1:
        nearby = [y + 0.2] * len(dot.point.repeats)
        axes.plot(dot.point.repeats, nearby, "o", color=palette.muted, markersize=2.6, markeredgewidth=0, zorder=3)
    style = mark_style(colour, palette, size=5.5 if dot.apart else 6.5, edge=1.6, filled=not dot.apart)
    axes.plot([estimate.value], [y], "o", zorder=4, **style)
