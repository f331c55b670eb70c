"""Gains along the generators: one panel per benchmark, one line per series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefdelta.reporting.figures.canvas import (
    LINE,
    NARROW,
    SMALL,
    WIDE,
    Palette,
    bare,
    signed_ticks,
    text_at,
    wrapped,
)
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.marks import Head, Point, draw_head, limits, mark_style, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BODY = 170  # px
_MARKERS = ("o", "s", "^", "D")
_TILTED = 0.6  # height of a tilted label, as a share of its length


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    points: Sequence[Point | None]  # one per place on the x axis; None without such an arm


@dataclass(frozen=True, slots=True)
class ScalingPanel:
    head: Head
    series: Sequence[Series]


@dataclass(frozen=True, slots=True)
class ScalingFigure:
    """A point and its interval per place, small points for repeats, a dotted line along 0."""

    panels: Sequence[ScalingPanel]
    places: Sequence[str]  # labels of the x axis, in lines
    axis: str  # title of the x axis
    unit: str
    apart: frozenset[int] = frozenset()  # places not comparable with the others: open, and in no line

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        columns = Columns(NARROW, 1, 44, 30) if narrow else Columns(WIDE, min(len(self.panels), 2), 52, 60)
        panel_width = columns.panel
        tilted = width_of(self.places) > panel_width / max(len(self.places), 1) - 4
        tall = _TILTED * width_of(place.replace("\n", ", ") for place in self.places)
        axis = wrapped(self.axis, panel_width, SMALL)
        foot = (
            34
            + LINE * axis.count("\n")
            + (tall if tilted else LINE * max(place.count("\n") + 1 for place in self.places))
        )
        head = max(panel.head.height(panel_width) for panel in self.panels) + 6
        named = [series.name for series in self.panels[0].series] if len(self.panels[0].series) > 1 else []
        legend = (LINE + 4) * len(named) + 8 if named else 0
        grid = Grid(columns, len(self.panels), panel_width, head, _BODY, foot, between=22, legend=legend)
        span = limits(
            value
            for panel in self.panels
            for series in panel.series
            for point in series.points
            if point is not None
            for value in point.values()
        )
        figure = grid.figure()
        for index, panel in enumerate(self.panels):
            axes = grid.axes(figure, index)
            self._draw(axes, panel, span, axis, palette, tilted=tilted)
            draw_head(axes, panel.head, (-0.5, span[1]), panel_width, palette)
            if index == 0:
                x, y = grid.corner(index)
                for number, name in enumerate(named):
                    above = head + legend - (LINE + 4) * (number + 1)
                    colour, marker = _look(number, palette)
                    _key(figure, (x + 6, y + _BODY + above + 6), colour, marker)
                    text_at(axes, (18, above), (-0.5, span[1]), name, palette.ink, fontsize=SMALL)
        return figure

    def _draw(
        self, axes: "Axes", panel: ScalingPanel, span: tuple[float, float], axis: str, palette: Palette, *, tilted: bool
    ) -> None:
        axes.set_xlim(-0.5, len(self.places) - 0.5)
        axes.set_ylim(*span)
        bare(axes, palette, ["bottom"])
        signed_ticks(axes.yaxis, 5)
        axes.set_axisbelow(True)
        axes.grid(axis="y", color=palette.rule, linewidth=0.6)
        axes.tick_params(axis="y", length=0)
        axes.set_ylabel(self.unit, color=palette.muted, fontsize=SMALL, labelpad=3)
        axes.set_xlabel(axis, color=palette.muted, fontsize=SMALL, labelpad=3)
        places = [place.replace("\n", ", ") for place in self.places] if tilted else list(self.places)
        turned: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if tilted else {}
        axes.set_xticks(range(len(places)), places, **turned)
        axes.axhline(0, color=palette.ink, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        for number, series in enumerate(panel.series):
            shift = 0.12 * (number - (len(panel.series) - 1) / 2)
            _draw_series(axes, series, shift, *_look(number, palette), palette, self.apart)


def _look(number: int, palette: Palette) -> tuple[str, str]:
    return palette.series[number % len(palette.series)], _MARKERS[number % len(_MARKERS)]


def _key(figure: "Figure", at: tuple[float, float], colour: str, marker: str) -> None:
    """A marker of the legend, at px from the lower left corner of the figure."""
    from matplotlib.lines import Line2D

    width, height = (72 * inches for inches in figure.get_size_inches())
    line = Line2D([at[0] / width], [at[1] / height], marker=marker, color=colour, markersize=6, linestyle="none")
    line.set_transform(figure.transFigure)
    line.set_markeredgewidth(0)
    figure.add_artist(line)


def _draw_series(
    axes: "Axes",
    series: Series,
    shift: float,
    colour: str,
    marker: str,
    palette: Palette,
    apart: frozenset[int],
) -> None:
    known = [
        (place, place + shift, point, point.estimate.value)
        for place, point in enumerate(series.points)
        if point is not None and point.estimate.value is not None
    ]
    line = [(x, y) for place, x, _, y in known if place not in apart]
    axes.plot([x for x, _ in line], [y for _, y in line], color=colour, linewidth=1, alpha=0.5)
    for place, x, point, y in known:
        if point.estimate.low is not None and point.estimate.high is not None:
            ends = [point.estimate.low, point.estimate.high]
            axes.plot([x, x], ends, color=colour, linewidth=1.8, solid_capstyle="round", zorder=2)
        if len(point.repeats) > 1:
            beside = [x + 0.07] * len(point.repeats)
            axes.plot(beside, point.repeats, "o", color=palette.muted, markersize=2.8, markeredgewidth=0, zorder=3)
        size = 5.5 if place in apart else 6.5
        style = mark_style(colour, palette, size=size, edge=1.6, filled=place not in apart)
        axes.plot([x], [y], marker, zorder=4, **style)
