"""One quantity against another, each with its interval: a panel per thing compared, a point per name."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import NARROW, WIDE, Palette, bare, signed_ticks, text_at
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.lane import Lane
from prefdelta.reporting.figures.marks import DOTTED, Head, Point, limits, mark_style
from prefdelta.reporting.figures.text import SMALL, fitted, height, widest
from prefdelta.reporting.figures.values import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BODY = 150  # px


@dataclass(frozen=True, slots=True)
class Crossing:
    name: str
    x: Estimate
    y: Point
    apart: bool = False  # drawn open, not filled: not comparable with the others

    @property
    def is_known(self) -> bool:
        return self.x.value is not None and self.y.is_known


@dataclass(frozen=True, slots=True)
class ScatterPanel:
    head: Head
    crossings: Sequence[Crossing]


@dataclass(frozen=True, slots=True)
class ScatterFigure:
    """Panels with shared axes, and names above them."""

    panels: Sequence[ScatterPanel]
    x_unit: str
    y_unit: str

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        crossings = [crossing for panel in self.panels for crossing in panel.crossings if crossing.is_known]
        across = limits(value for crossing in crossings for value in Point(crossing.x).values())
        up = limits(value for crossing in crossings for value in crossing.y.alone.values())
        ticks = signed_ticks(up, _BODY, 5, tall=True)
        left = widest(ticks[1], SMALL) + 28
        columns = Columns(NARROW, 1, left, 0) if narrow else Columns(WIDE, min(len(self.panels), 3), left, left + 8)
        px = columns.panel
        unit = fitted(self.x_unit, px, SMALL)
        scale = px / (across[1] - across[0])
        lanes = [
            Lane.of({one.name: (Point(one.x).value - across[0]) * scale for one in panel.crossings if one.is_known}, px)
            for panel in self.panels
        ]
        lane = max(lane.height for lane in lanes)
        head = max(panel.head.height(px) for panel in self.panels) + lane
        foot = 26 + height(unit.count("\n") + 1, SMALL)
        grid = Grid(columns, len(self.panels), px, head, _BODY, foot=foot, between=18)
        figure = grid.figure()
        numbers = count()
        for index, (panel, names) in enumerate(zip(self.panels, lanes, strict=True)):
            axes = grid.axes(figure, index)
            axes.set_xlim(*across)
            axes.set_ylim(*up)
            bare(axes, palette, ["bottom", "left"])
            axes.set_xticks(*signed_ticks(across, px, 6))
            axes.set_yticks(*ticks)
            corner = (across[0], up[0])
            text_at(axes, (px / 2, -22), corner, unit, palette.muted, fontsize=SMALL, va="top", ha="center")
            text_at(
                axes, (8 - left, _BODY / 2), corner, self.y_unit, palette.muted,
                fontsize=SMALL, rotation=90, va="center", ha="center",
            )  # fmt: skip
            axes.axhline(0, color=palette.ink, linewidth=1, linestyle=DOTTED, zorder=1)
            axes.axvline(0, color=palette.ink, linewidth=1, linestyle=DOTTED, zorder=1)
            names.draw(axes, px, palette)
            panel.head.draw(axes, (across[0], up[1]), px, palette, lane)
            for crossing in panel.crossings:
                _draw(axes, crossing, palette, numbers)
        return figure

    def marks(self) -> list[Mark]:
        """See Drawing."""
        return [
            mark
            for panel in self.panels
            for one in panel.crossings
            if one.x.value is not None
            for mark in one.y.alone.marks(panel.head.title, "", one.x.value, self.y_unit, one.x)
        ]


def _draw(axes: "Axes", crossing: Crossing, palette: Palette, numbers: "count[int]") -> None:
    x, y, colour = crossing.x, crossing.y.estimate, palette.series[0]
    if x.value is None or y.value is None:
        return
    for ends, across in ((x, True), (y, False)):
        if ends.low is not None and ends.high is not None:
            pair = [ends.low, ends.high]
            line = (pair, [y.value] * 2) if across else ([x.value] * 2, pair)
            axes.plot(*line, color=colour, linewidth=1.2, alpha=0.6, zorder=2)
    style = mark_style(colour, palette, size=5.5, edge=1.4, filled=not crossing.apart)
    axes.plot([x.value], [y.value], "o", zorder=4, gid=f"mark-{next(numbers)}", **style)
