"""Gains against the measured generator delta: one panel per benchmark, one line per series and family of generators."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import NARROW, WIDE, Palette, bare, moved, signed_ticks, text_at
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.lane import Lane
from prefdelta.reporting.figures.marks import DOTTED, SHAPES, Head, Point, limits, mark_style
from prefdelta.reporting.figures.text import SMALL, columns, fitted, height, widest
from prefdelta.reporting.figures.values import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BODY = 170  # px
_KEY = 20  # px: room for the mark of a key, left of its name
_BESIDE = 5  # px: between marks of several series at one place, and from a mean to its runs


@dataclass(frozen=True, slots=True)
class ScalingPlace:
    """A pairing, at its generator delta."""

    name: str
    x: Estimate  # points
    line: str | None  # places of one name are joined; None: not comparable with the others: open, and in no line


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    points: Sequence[Point | None]  # one per place; None without such an arm


@dataclass(frozen=True, slots=True)
class ScalingPanel:
    head: Head
    series: Sequence[Series]  # the same names in every panel


@dataclass(frozen=True, slots=True)
class ScalingFigure:
    """A point and its intervals per place, small points for repeats, a dotted line along 0; names above the panels."""

    panels: Sequence[ScalingPanel]
    places: Sequence[ScalingPlace]
    axis: str  # title of the x axis
    unit: str

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        across = limits(end for place in self.places for end in Point(place.x).values())
        up = limits(
            value
            for panel in self.panels
            for series in panel.series
            for point in series.points
            if point is not None
            for value in point.values()
        )
        ticks = signed_ticks(up, _BODY, 5, tall=True)
        left = widest(ticks[1], SMALL) + 28
        across_panels = (
            Columns(NARROW, 1, left, 30) if narrow else Columns(WIDE, min(len(self.panels), 2), left, left + 8)
        )
        px = across_panels.panel
        axis = fitted(self.axis, px, SMALL)
        known = {place.name: place.x.value for place in self.places if place.x.value is not None}
        lane = Lane.of({name: (x - across[0]) / (across[1] - across[0]) * px for name, x in known.items()}, px)
        head = max(panel.head.height(px) for panel in self.panels) + lane.height
        foot = 26 + height(axis.count("\n") + 1, SMALL)
        names = [series.name for series in self.panels[0].series]
        room = across_panels.width - left
        keys = [fitted(name, room - _KEY, SMALL) for name in names] if len(names) > 1 else []
        per_row = columns([f"{key}" for key in keys], room - _KEY, SMALL, _KEY + 16) if keys else 1
        line = height(max((key.count("\n") + 1 for key in keys), default=1), SMALL) + 4
        legend = line * -(-len(keys) // per_row) + 10 if keys else 0
        grid = Grid(across_panels, len(self.panels), px, head, _BODY, foot, between=22, legend=legend)
        figure = grid.figure()
        numbers = count()
        for index, panel in enumerate(self.panels):
            axes = grid.axes(figure, index)
            axes.set_xlim(*across)
            axes.set_ylim(*up)
            bare(axes, palette, ["bottom"])
            axes.set_xticks(*signed_ticks(across, px, 8))
            axes.set_yticks(*ticks)
            axes.set_axisbelow(True)
            axes.grid(axis="y", color=palette.rule, linewidth=0.6)
            axes.tick_params(axis="y", length=0)
            text_at(
                axes, (8 - left, _BODY / 2), (across[0], up[0]), self.unit, palette.muted,
                fontsize=SMALL, rotation=90, va="center", ha="center",
            )  # fmt: skip
            text_at(axes, (px / 2, -22), (across[0], up[0]), axis, palette.muted, fontsize=SMALL, va="top", ha="center")
            axes.axhline(0, color=palette.ink, linewidth=1, linestyle=DOTTED, zorder=1)
            lane.draw(axes, px, palette)
            panel.head.draw(axes, (across[0], up[1]), px, palette, lane.height)
            for number, series in enumerate(panel.series):
                shift = _BESIDE * (number - (len(panel.series) - 1) / 2)
                self._draw(axes, series, number, shift, palette, numbers)
        if keys:
            axes = grid.legend_axes(figure)
            for number, key in enumerate(keys):
                row, column = divmod(number, per_row)
                x, y = column * room / per_row + 6, legend - line * (row + 0.5)
                colour, shape = _look(number, palette)
                axes.plot([x], [y], shape, **mark_style(colour, palette, size=6, edge=1.6, filled=True))
                text_at(axes, (12, 0), (x, y), key, palette.ink, va="center", fontsize=SMALL)
        return figure

    def marks(self) -> list[Mark]:
        """See Drawing."""
        return [
            mark
            for panel in self.panels
            for series in panel.series
            for place, point in zip(self.places, series.points, strict=True)
            if point is not None and place.x.value is not None
            for mark in point.marks(panel.head.title, series.name, place.x.value, self.unit, place.x)
        ]

    def _draw(
        self, axes: "Axes", series: Series, number: int, shift: float, palette: Palette, numbers: "count[int]"
    ) -> None:
        colour, shape = _look(number, palette)
        here, beside = moved(axes, shift), moved(axes, shift + _BESIDE)
        lines: dict[str, list[tuple[float, float]]] = {}
        for place, point in zip(self.places, series.points, strict=True):
            if point is None or point.estimate.value is None or place.x.value is None:
                continue
            x, y = place.x.value, point.estimate.value
            if place.line is not None:
                lines.setdefault(place.line, []).append((x, y))
            for ends, is_across in ((place.x, True), (point.estimate, False)):
                if ends.low is not None and ends.high is not None:
                    where = ([ends.low, ends.high], [y, y]) if is_across else ([x, x], [ends.low, ends.high])
                    width = 1.0 if is_across else 1.8
                    axes.plot(*where, color=colour, linewidth=width, solid_capstyle="round", transform=here, zorder=2)
            style = mark_style(colour, palette, size=6.5, edge=1.6, filled=place.line is not None)
            axes.plot([x], [y], shape, transform=here, zorder=4, gid=f"mark-{next(numbers)}", **style)
            for run in point.runs:
                style = mark_style(palette.muted, palette, size=2.8, edge=0, filled=True)
                axes.plot([x], [run.value], "o", transform=beside, zorder=3, gid=f"mark-{next(numbers)}", **style)
        for joined in lines.values():
            joined.sort()
            along = [x for x, _ in joined], [y for _, y in joined]
            axes.plot(*along, color=colour, linewidth=1, alpha=0.5, transform=here, zorder=1.5)


def _look(number: int, palette: Palette) -> tuple[str, str]:
    return palette.series[number % len(palette.series)], SHAPES[number % len(SHAPES)]
