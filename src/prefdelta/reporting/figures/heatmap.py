"""The share that every two of some sets have in common: a triangle of shaded cells per panel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.reporting.figures.canvas import LINE, NARROW, SMALL, WIDE, Palette, text_at
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.marks import Head, draw_head, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL = 30  # px
_FOOT = 4  # px


@dataclass(frozen=True, slots=True)
class HeatPanel:
    head: Head
    shares: Mapping[tuple[str, str], float]  # 0 to 1, by names in order


@dataclass(frozen=True, slots=True)
class HeatFigure:
    """Rows carry the names, columns their numbers."""

    panels: Sequence[HeatPanel]
    names: Sequence[str]

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        left = round(width_of(self.names)) + 40
        body = _CELL * (len(self.names) - 1)
        if narrow:
            cell = min(_CELL, (NARROW - left - 8) / (len(self.names) - 1))
            body = round(cell * (len(self.names) - 1))
            columns = Columns(NARROW, 1, left, gap=24)
        else:
            count = max(1, min(len(self.panels), (WIDE - left + 40) // (body + 40)))
            columns = Columns(WIDE, count, left, gap=40)
        room = columns.width - left if columns.count == 1 else body + columns.gap - 6
        head = max(panel.head.height(room) for panel in self.panels) + LINE
        grid = Grid(columns, len(self.panels), body, head, body, foot=_FOOT, between=columns.gap - _FOOT)
        figure = grid.figure()
        for index, panel in enumerate(self.panels):
            axes = grid.axes(figure, index)
            self._draw(axes, panel, palette, labelled=grid.is_first_in_row(index))
            draw_head(axes, panel.head, (0, -0.5), room, palette)  # above the first number
        return figure

    def _draw(self, axes: "Axes", panel: HeatPanel, palette: Palette, *, labelled: bool) -> None:
        from matplotlib.patches import Rectangle

        size = len(self.names) - 1
        axes.set_xlim(0, size)
        axes.set_ylim(size, 0)
        axes.set_axis_off()
        for column, first in enumerate(self.names[:-1]):
            text_at(axes, (0, 3), (column + 0.5, column), str(column + 1), palette.muted, ha="center", fontsize=SMALL)
            for row, second in enumerate(self.names[1:]):
                share = panel.shares.get((first, second))
                if row < column or share is None:
                    continue
                axes.add_patch(
                    Rectangle(
                        (column + 0.03, row + 0.03), 0.94, 0.94, color=palette.series[0], alpha=0.75 * share, lw=0
                    )
                )
                text = f"{100 * share:.0f}"
                text_at(
                    axes, (0, 0), (column + 0.5, row + 0.5), text, palette.ink, ha="center", va="center", fontsize=SMALL
                )
        if labelled:
            for row, name in enumerate(self.names[1:]):
                label = f"{name}  {row + 2}"
                text_at(axes, (-8, 0), (0, row + 0.5), label, palette.ink, ha="right", va="center")
            text_at(axes, (-8, 3), (0, 0), f"{self.names[0]}  1", palette.ink, ha="right")
