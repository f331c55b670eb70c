"""Rows of dots with intervals, along one x axis that all panels share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import NARROW, SMALL, WIDE, Palette, bare, new_figure, signed, text_at
from prefdelta.reporting.figures.marks import Head, Point, draw_head, limits, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of a panel."""

    label: str
    point: Point
    apart: bool = False  # open instead of filled: not to be compared with the other rows


@dataclass(frozen=True, slots=True)
class Band:
    """A reference that some rows are held against: a dashed line with its interval."""

    first: int  # row
    last: int
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class DotPanel:
    head: Head
    dots: Sequence[Dot]  # the same labels in every panel
    bands: Sequence[Band] = ()


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes in px. Wide: panels side by side, labels left of the first. Narrow: one column, labels above the dots."""

    width: int
    columns: int
    left: int  # room for labels
    row: int
    gap: int
    narrow: bool

    @property
    def panel(self) -> float:
        """Width of a panel."""
        return (self.width - self.left - self.gap * (self.columns - 1) - 14) / self.columns


@dataclass(frozen=True, slots=True)
class DotFigure:
    """Small multiples: a dot and its interval per row, small dots for repeats, a dotted line along 0."""

    panels: Sequence[DotPanel]
    unit: str

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        layout = self._layout(narrow=narrow)
        head = max(panel.head.height(layout.panel + layout.gap) for panel in self.panels)
        body = max(len(panel.dots) for panel in self.panels) * layout.row
        cell = head + body + 46  # tick labels and the unit
        n_rows = -(-len(self.panels) // layout.columns)
        height = n_rows * cell + (n_rows - 1) * layout.gap
        span = limits(value for panel in self.panels for dot in panel.dots for value in dot.point.values())
        figure = new_figure(layout.width, height)
        for index, panel in enumerate(self.panels):
            row, column = divmod(index, layout.columns)
            x = layout.left + column * (layout.panel + layout.gap)
            y = height - row * (cell + layout.gap) - head - body
            box = (x / layout.width, y / height, layout.panel / layout.width, body / height)
            axes = figure.add_axes(box)
            _draw(axes, panel, self.unit, span, layout, palette, labelled=column == 0)
        return figure

    def _layout(self, *, narrow: bool) -> _Layout:
        if narrow:
            return _Layout(width=NARROW, columns=1, left=8, row=36, gap=22, narrow=True)
        left = min(round(width_of(dot.label for panel in self.panels for dot in panel.dots)) + 20, 330)
        columns = max(1, min(len(self.panels), 4, (WIDE - left) // 150))
        if len(self.panels) > columns:  # rows of equal length
            columns = -(-len(self.panels) // -(-len(self.panels) // columns))
        return _Layout(width=WIDE, columns=columns, left=left, row=26, gap=24, narrow=False)


def _draw(
    axes: "Axes",
    panel: DotPanel,
    unit: str,
    span: tuple[float, float],
    layout: _Layout,
    palette: Palette,
    *,
    labelled: bool,
) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(*span)
    axes.set_ylim(len(panel.dots) - 0.5, -0.5)
    bare(axes, palette, ["bottom"])
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(5 if layout.narrow else 4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(value)))
    axes.set_xlabel(unit, color=palette.muted, fontsize=SMALL, labelpad=2)
    axes.axvline(0, color=palette.ink, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    for band in panel.bands:
        _draw_band(axes, band, palette)
    shift = 0.24 if layout.narrow else 0.0  # below the label
    for place, dot in enumerate(panel.dots):
        _draw_dot(axes, dot, place + shift, palette)
        if layout.narrow:
            behind = {"facecolor": palette.paper, "edgecolor": "none", "pad": 1}
            text_at(axes, (0, 0), (span[0], place - 0.02), dot.label, palette.ink, bbox=behind)
        elif labelled:
            text_at(axes, (-12, 0), (span[0], place), dot.label, palette.ink, ha="right", va="center")
    draw_head(axes, panel.head, (span[0], -0.5), layout.panel + layout.gap, palette)


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
    filling = palette.paper if dot.apart else colour
    axes.plot(
        [estimate.value],
        [y],
        "o",
        markerfacecolor=filling,
        markeredgecolor=colour,
        markersize=6.5 if not dot.apart else 5.5,
        markeredgewidth=1.6 if dot.apart else 0,
        zorder=4,
    )
