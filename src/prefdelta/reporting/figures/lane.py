"""Names above a panel, each over its place on the x axis: in as many rows as keep them apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.reporting.figures.canvas import Palette, text_at
from prefdelta.reporting.figures.text import TINY, fitted, height, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 6  # px: between two names of one row


@dataclass(frozen=True, slots=True)
class _LaneName:
    text: str
    x: float  # px from the panel's left edge: the place that it names
    left: float  # px: of its text
    bottom: float  # px above the panel


@dataclass(frozen=True, slots=True)
class Lane:
    """Names in their places. Sizes in px."""

    height: float
    names: tuple[_LaneName, ...]

    @classmethod
    def of(cls, places: Mapping[str, float], px: float) -> "Lane":
        """Put names over their places. places: name -> px from the left edge of a panel that is px wide.

        A name stands over its place, moved as far as it must be to stay inside; rows are filled from below.
        """
        rows: list[list[tuple[str, float, float, float]]] = []
        for name, x in sorted(places.items(), key=lambda item: (item[1], item[0])):
            text = fitted(name, px, TINY)
            size = width(text, TINY)
            left = min(max(x - size / 2, 0.0), max(px - size, 0.0))
            free = next((row for row in rows if left >= row[-1][2] + row[-1][3] + _GAP), None)
            if free is None:
                rows.append(free := [])
            free.append((text, x, left, size))
        names, bottom = list[_LaneName](), 3.0
        for row in rows:
            names += [_LaneName(text, x, left, bottom) for text, x, left, _ in row]
            bottom += height(max(text.count("\n") + 1 for text, *_ in row), TINY) + 2
        return cls(bottom + 2, tuple(names))

    def draw(self, axes: "Axes", px: float, palette: Palette) -> None:
        """Draw the names above the axes, and a line from each through the panel."""
        (low, high), top = axes.get_xlim(), axes.get_ylim()[1]
        bottom = axes.get_ylim()[0]
        for name in self.names:
            x = low + name.x / px * (high - low)
            axes.plot([x, x], [bottom, top], color=palette.rule, linewidth=0.6, zorder=0)
            line = {"arrowstyle": "-", "color": palette.rule, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
            axes.annotate(
                "", (x, top), xytext=(0, name.bottom + 1), textcoords="offset points", arrowprops=line,
                annotation_clip=False,
            )  # fmt: skip
        for name in self.names:
            behind = {"facecolor": palette.paper, "edgecolor": "none", "pad": 0.5}
            text_at(axes, (name.left, name.bottom), (low, top), name.text, palette.ink, fontsize=TINY, bbox=behind)
