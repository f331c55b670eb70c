"""The places of a figure's panels: in rows, below a legend, all of one size."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RIGHT = 14  # px: right of the last column


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of panels. Sizes in px."""

    width: float  # of the figure
    count: int
    left: float  # room for labels, left of the first column
    gap: float  # between two columns

    @property
    def panel(self) -> float:
        """The width of a panel if the columns fill the figure's width."""
        return (self.width - self.left - self.gap * (self.count - 1) - _RIGHT) / self.count


@dataclass(frozen=True, slots=True)
class Grid:
    """Places of panels, in the order of reading. Sizes in px."""

    columns: Columns
    panels: int
    panel_width: float
    head: float  # room above the axes
    body: float  # height of the axes
    foot: float  # room below them
    between: float = 0  # between two rows
    legend: float = 0  # height, above the first row

    @property
    def height(self) -> float:
        rows = -(-self.panels // self.columns.count)
        return self.legend + rows * self._row + (rows - 1) * self.between

    def figure(self) -> "Figure":
        """An empty figure of this size, at 72 dots per inch."""
        from matplotlib.figure import Figure

        return Figure(figsize=(self.columns.width / 72, self.height / 72), dpi=72)

    def is_first_in_row(self, index: int) -> bool:
        return index % self.columns.count == 0

    def corner(self, index: int) -> tuple[float, float]:
        """The lower left corner of a panel's axes, relative to the figure's."""
        row, column = divmod(index, self.columns.count)
        x = self.columns.left + column * (self.panel_width + self.columns.gap)
        y = self.height - self.legend - row * (self._row + self.between) - self.head - self.body
        return x, y

    def axes(self, figure: "Figure", index: int) -> "Axes":
        """The axes of a panel."""
        x, y = self.corner(index)
        return self._axes(figure, x, y, self.panel_width, self.body)

    def axes_within(
        self, figure: "Figure", index: int, corner: tuple[float, float], size: tuple[float, float]
    ) -> "Axes":
        """Axes in a part of a panel's place. corner: its lower left one, from the panel's own."""
        x, y = self.corner(index)
        return self._axes(figure, x + corner[0], y + corner[1], *size)

    def blank_axes(self, figure: "Figure", index: int) -> "Axes":
        """Axes over a panel's place, with px as their units and nothing drawn."""
        return _blank(self.axes(figure, index), self.panel_width, self.body)

    def legend_axes(self, figure: "Figure", *, whole: bool = False) -> "Axes":
        """Axes over the legend's room, with px as their units. whole: not right of the labels, but all of the width."""
        left = 0 if whole else self.columns.left
        width = self.columns.width - left
        return _blank(self._axes(figure, left, self.height - self.legend, width, self.legend), width, self.legend)

    @property
    def _row(self) -> float:
        return self.head + self.body + self.foot

    def _axes(self, figure: "Figure", x: float, y: float, width: float, height: float) -> "Axes":
        size = self.columns.width, self.height
        return figure.add_axes((x / size[0], y / size[1], width / size[0], height / size[1]))


def _blank(axes: "Axes", width: float, height: float) -> "Axes":
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    return axes
