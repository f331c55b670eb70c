"""One quantity against another, each with its interval: a panel per thing compared, a point per name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import NARROW, SMALL, WIDE, Palette, bare, signed_ticks, text_at
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.marks import Head, Point, draw_head, limits, mark_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BODY = 150  # px


@dataclass(frozen=True, slots=True)
class Crossing:
    name: str
    x: Estimate
    y: Estimate
    apart: bool = False  # drawn open, not filled: not comparable with the others


@dataclass(frozen=True, slots=True)
class ScatterPanel:
    head: Head
    crossings: Sequence[Crossing]


@dataclass(frozen=True, slots=True)
class ScatterFigure:
    """Panels with shared axes."""

    panels: Sequence[ScatterPanel]
    x_unit: str
    y_unit: str

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        width, count = (NARROW, 1) if narrow else (WIDE, min(len(self.panels), 3))
        columns = Columns(width, count, left=48, gap=56)
        head = max(panel.head.height(columns.panel) for panel in self.panels) + 4
        grid = Grid(columns, len(self.panels), columns.panel, head, _BODY, foot=44, between=18)
        crossings = [crossing for panel in self.panels for crossing in panel.crossings]
        across = limits(value for crossing in crossings for value in Point(crossing.x).values())
        up = limits(value for crossing in crossings for value in Point(crossing.y).values())
        figure = grid.figure()
        for index, panel in enumerate(self.panels):
            axes = grid.axes(figure, index)
            axes.set_xlim(*across)
            axes.set_ylim(*up)
            self._draw(axes, panel, palette)
            draw_head(axes, panel.head, (across[0], up[1]), columns.panel, palette)
        return figure

    def _draw(self, axes: "Axes", panel: ScatterPanel, palette: Palette) -> None:
        bare(axes, palette, ["bottom", "left"])
        for axis in (axes.xaxis, axes.yaxis):
            signed_ticks(axis, 5)
        axes.set_xlabel(self.x_unit, color=palette.muted, fontsize=SMALL, labelpad=2)
        axes.set_ylabel(self.y_unit, color=palette.muted, fontsize=SMALL, labelpad=2)
        axes.axhline(0, color=palette.ink, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        axes.axvline(0, color=palette.ink, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        colour = palette.series[0]
        for crossing in panel.crossings:
            x, y = crossing.x, crossing.y
            if x.value is None or y.value is None:
                continue
            for ends, across in ((x, True), (y, False)):
                if ends.low is not None and ends.high is not None:
                    pair = [ends.low, ends.high]
                    line = (pair, [y.value] * 2) if across else ([x.value] * 2, pair)
                    axes.plot(*line, color=colour, linewidth=1.2, alpha=0.6, zorder=2)
            size = 5 if crossing.apart else 5.5
            style = mark_style(colour, palette, size=size, edge=1.4, filled=not crossing.apart)
            axes.plot([x.value], [y.value], "o", zorder=4, **style)
            text_at(axes, (5, 4), (x.value, y.value), crossing.name, palette.muted, fontsize=9.5)
