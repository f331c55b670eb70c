"""One quantity against another, each with its interval: a panel per thing compared, a point per name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import NARROW, SMALL, WIDE, Palette, bare, new_figure, signed, text_at
from prefdelta.reporting.figures.marks import Head, Point, draw_head, limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BODY = 150  # px


@dataclass(frozen=True, slots=True)
class Crossing:
    name: str
    x: Estimate
    y: Estimate
    apart: bool = False  # open instead of filled: not to be compared with the others


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
        width, columns = (NARROW, 1) if narrow else (WIDE, min(len(self.panels), 3))
        left, gap = 48, 56
        panel_width = (width - left - gap * (columns - 1) - 14) / columns
        head = max(panel.head.height(panel_width) for panel in self.panels) + 4
        cell = head + _BODY + 44
        n_rows = -(-len(self.panels) // columns)
        height = n_rows * cell + (n_rows - 1) * 18
        crossings = [crossing for panel in self.panels for crossing in panel.crossings]
        across = limits(value for crossing in crossings for value in Point(crossing.x).values())
        up = limits(value for crossing in crossings for value in Point(crossing.y).values())
        figure = new_figure(width, height)
        for index, panel in enumerate(self.panels):
            row, column = divmod(index, columns)
            x = left + column * (panel_width + gap)
            y = height - row * (cell + 18) - head - _BODY
            axes = figure.add_axes((x / width, y / height, panel_width / width, _BODY / height))
            axes.set_xlim(*across)
            axes.set_ylim(*up)
            self._draw(axes, panel, palette)
            draw_head(axes, panel.head, (across[0], up[1]), panel_width, palette)
        return figure

    def _draw(self, axes: "Axes", panel: ScatterPanel, palette: Palette) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        bare(axes, palette, ["bottom", "left"])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            axis.set_major_formatter(FuncFormatter(lambda value, _: signed(value)))
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
            if crossing.apart:
                open_mark: dict[str, Any] = {
                    "markerfacecolor": palette.paper,
                    "markeredgecolor": colour,
                    "markeredgewidth": 1.4,
                }
                axes.plot([x.value], [y.value], "o", markersize=5, zorder=4, **open_mark)
            else:
                axes.plot([x.value], [y.value], "o", color=colour, markersize=5.5, markeredgewidth=0, zorder=4)
            text_at(axes, (5, 4), (x.value, y.value), crossing.name, palette.muted, fontsize=9.5)
