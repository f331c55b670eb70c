"""The share that every two of some sets have in common: a triangle of shaded cells per panel."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as counting
from typing import TYPE_CHECKING

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import NARROW, WIDE, Palette, text_at
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.marks import Head
from prefdelta.reporting.figures.text import SMALL, fitted, height, widest
from prefdelta.reporting.figures.values import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL = 30  # px
_FOOT = 4  # px
_ROOM = 20  # px: the least cell that has its number inside
_MOST, _NARROW_MOST = 230.0, 120.0  # px: width of the names


@dataclass(frozen=True, slots=True)
class Shared:
    """What two sets have in common."""

    share: float  # 0 to 1
    chance: Estimate  # the share by chance; n: the pairs that both sets were taken from


@dataclass(frozen=True, slots=True)
class HeatPanel:
    head: Head
    shares: Mapping[tuple[str, str], Shared]  # by names in order


@dataclass(frozen=True, slots=True)
class HeatFigure:
    """Rows carry the names, columns their numbers."""

    panels: Sequence[HeatPanel]
    names: Sequence[str]

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        width = NARROW if narrow else WIDE
        labels = [
            fitted(f"{name}\u00a0\u00a0{number}", _NARROW_MOST if narrow else _MOST)
            for number, name in enumerate(self.names, 1)
        ]
        left = widest(labels) + 22
        tall = max(height(label.count("\n") + 1) for label in labels) + 3
        cells = len(self.names) - 1
        across = min(_CELL, (width - left - 16) / cells)
        down = max(across, tall)
        count = 1 if narrow else max(1, min(len(self.panels), int((width - left + 40) // (cells * across + 40))))
        columns = Columns(width, count, left, gap=40)
        room = width - left - 8 if count == 1 else cells * across + columns.gap - 6
        head = max(panel.head.height(room) for panel in self.panels) + height(1, SMALL) + tall
        grid = Grid(columns, len(self.panels), cells * across, head, cells * down, foot=_FOOT, between=24)
        figure = grid.figure()
        numbers = counting()
        for index, panel in enumerate(self.panels):
            axes = grid.axes(figure, index)
            axes.set_xlim(0, cells)
            axes.set_ylim(cells, 0)
            axes.set_axis_off()
            self._draw(axes, panel, palette, across, numbers)
            if grid.is_first_in_row(index):
                for row, label in enumerate(labels[1:]):
                    text_at(axes, (-8, 0), (0, row + 0.5), label, palette.ink, ha="right", va="center")
                text_at(axes, (-8, 3), (0, 0), labels[0], palette.ink, ha="right")
            panel.head.draw(axes, (0, 0), room, palette, tall + height(1, SMALL) - 6)  # above the first name and number
        return figure

    def marks(self) -> list[Mark]:
        """See Drawing."""
        return [
            Mark(
                panel=panel.head.title,
                series=first,
                name=second,
                contrast=f"share of {panel.head.title} by {first} that is in {panel.head.title} by {second}",
                kind="mean",
                x=first,
                x_low=None,
                x_high=None,
                y=100 * shared.share,
                low=None if shared.chance.low is None else 100 * shared.chance.low,
                high=None if shared.chance.high is None else 100 * shared.chance.high,
                unit="%; low to high: 95% of unrelated deltas",
                n=shared.chance.n,
                runs=None,
                seeds="",
            )
            for panel in self.panels
            for first, second, shared in self._cells(panel)
        ]

    def _cells(self, panel: HeatPanel) -> Iterator[tuple[str, str, Shared]]:
        for column, first in enumerate(self.names[:-1]):
            for second in self.names[column + 1 :]:
                if (first, second) in panel.shares:
                    yield first, second, panel.shares[first, second]

    def _draw(self, axes: "Axes", panel: HeatPanel, palette: Palette, across: float, numbers: "counting[int]") -> None:
        from matplotlib.patches import Rectangle

        small = {"fontsize": min(SMALL, 0.5 * across)}
        for column in range(len(self.names) - 1):
            text_at(axes, (0, 3), (column + 0.5, column), str(column + 1), palette.muted, ha="center", **small)
        for first, second, shared in self._cells(panel):
            column, row = self.names.index(first), self.names.index(second) - 1
            cell = Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, gid=f"mark-{next(numbers)}", lw=0)
            cell.set_color(palette.series[0])
            cell.set_alpha(0.75 * shared.share)
            axes.add_patch(cell)
            if across >= _ROOM:
                place = (column + 0.5, row + 0.5)
                text = f"{100 * shared.share:.0f}"
                text_at(axes, (0, 0), place, text, palette.ink, ha="center", va="center", **small)
