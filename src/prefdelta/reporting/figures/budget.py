"""Gains against the number of training pairs: per panel of benchmarks, a small plot for each way of selecting them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from prefdelta.reporting.figures.canvas import NARROW, WIDE, Palette, bare, moved, signed_ticks, text_at
from prefdelta.reporting.figures.grid import Columns, Grid
from prefdelta.reporting.figures.marks import DASHED, DOTTED, Head, Point, limits, mark_style
from prefdelta.reporting.figures.text import SMALL, TINY, fitted, height, widest, width
from prefdelta.reporting.figures.values import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BODY = 92  # px
_PLOT, _NARROW_PLOT = 94, 84  # px: the least width of a plot
_BETWEEN = 16  # px: between two plots
_FOOT = 24  # px: the numbers of pairs
_MARGIN = 0.12  # share of a plot's width, on both sides of its marks
_CLOSEST = 0.5  # share of it: the least distance of all pairs from the largest k
_KEY = 26  # px: room for the mark of a key, left of its words
_TOLD = 8  # as many sizes are told one by one
_SQUEEZES = 2.0  # as often as large may a scale become by what other experiments lend
Sizes = Mapping[int | None, Point]  # k -> its gain; None: a selection without a size


@dataclass(frozen=True, slots=True)
class Course:
    """The gains of one way of selecting, by number of pairs."""

    name: str
    points: Sizes
    last: str  # what None stands for: all, or other
    borrowed: bool  # whether it is a control of other experiments
    remarks: Mapping[int | None, str]  # a sign beside a mark, which is open then


@dataclass(frozen=True, slots=True)
class BudgetPanel:
    head: Head
    courses: Sequence[Course]
    random: Sizes  # random draws, by size
    whole: Point | None  # all pairs
    pairs: int | None  # how many these are


@dataclass(frozen=True, slots=True)
class BudgetFigure:
    """A plot per panel and course. The plots of a panel share their y axis; all share the places of sizes.

    Each plot has the random draws of a size as a band, all pairs as an open mark at the right, and a dotted line along
    0, the untrained policy. A control of other experiments that would squeeze the rest is left out, and named.
    """

    panels: Sequence[BudgetPanel]
    ks: Sequence[int]  # rising
    unit: str

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """See Drawing."""
        panels = self._shown()
        spans = [_span(panel, panel.courses) for panel in panels]
        ticks = [signed_ticks(span, _BODY, 4, tall=True) for span in spans]
        left = max(widest(labels, SMALL) for _, labels in ticks) + 14
        names = list(dict.fromkeys(course.name for panel in panels for course in panel.courses)) or [""]
        whole = NARROW if narrow else WIDE
        least = (_NARROW_PLOT if narrow else _PLOT) + _BETWEEN
        per_row = max(1, min(len(names), int((whole - left - 2) // least)))
        per_row = -(-len(names) // -(-len(names) // per_row))  # rows of equal length
        px = min((whole - left - 2) / per_row - _BETWEEN, 3.2 * _PLOT)
        titles = {name: fitted(name, px, TINY, bold=True) for name in names}
        title = height(max(text.count("\n") + 1 for text in titles.values()), TINY) + 4
        rows = -(-len(names) // per_row)
        row = title + _BODY + _FOOT
        head = max(panel.head.height(whole - left) for panel in panels)
        keys = self._keys(panels, whole - 4)
        legend = sum(height(words.count("\n") + 1, SMALL) + 5 for words in keys.values()) + 12
        columns = Columns(whole, 1, left, 0)
        grid = Grid(columns, len(panels), columns.panel, head, rows * row, 10, between=8, legend=legend)
        figure = grid.figure()
        numbers = count()
        for index, panel in enumerate(panels):
            panel.head.draw(grid.blank_axes(figure, index), (0, rows * row), whole - left, palette)
            courses = {course.name: course for course in panel.courses}
            for down in range(rows):
                corner = (0, (rows - 1 - down) * row + _FOOT)
                axes = grid.axes_within(figure, index, corner, (whole - left, _BODY))
                axes.set_xlim(0, whole - left)
                axes.set_ylim(*spans[index])
                bare(axes, palette, [])
                axes.set_xticks([])
                axes.set_yticks(*ticks[index])
                axes.tick_params(axis="y", length=0, pad=2)
                for across, name in enumerate(names[down * per_row : (down + 1) * per_row]):
                    if name in courses:
                        plot = _Plot(axes, across * (px + _BETWEEN), px, self._places(), palette, numbers)
                        self._draw(plot, panel, courses[name], ticks[index][0])
                        plot.text((0, 3), 0, spans[index][1], titles[name], palette.ink, weight="bold")
        _draw_keys(grid, figure, keys, legend, palette)
        return figure

    def marks(self) -> list[Mark]:
        """See Drawing."""
        return [
            mark
            for panel in self._shown()
            for course in panel.courses
            for size, point, kind in _points(panel, course)
            for mark in point.marks(panel.head.title, course.name, size or course.last, self.unit, kind=kind)
        ]

    def left_out(self) -> list[str]:
        """The courses that other experiments lend and that would squeeze the scale of a panel."""
        names = []
        for name in dict.fromkeys(course.name for panel in self.panels for course in panel.courses if course.borrowed):
            for panel in self.panels:
                own = _span(panel, [course for course in panel.courses if not course.borrowed])
                lent = _span(panel, [course for course in panel.courses if not course.borrowed or course.name == name])
                if lent[1] - lent[0] > _SQUEEZES * (own[1] - own[0]):
                    names.append(name)
                    break
        return names

    def _shown(self) -> list[BudgetPanel]:
        out = self.left_out()
        return [
            BudgetPanel(
                panel.head,
                [course for course in panel.courses if course.name not in out],
                panel.random,
                panel.whole,
                panel.pairs,
            )
            for panel in self.panels
        ]

    def _places(self) -> dict[int | None, float]:
        """Size -> its place on the x axis of a plot, 0 to 1: a log scale, and what has no size at the right."""
        logs = [math.log10(k) for k in self.ks] or [0.0]
        length = max(logs[-1] - logs[0], 0.3)
        end = (1 - 2 * _MARGIN) / (1 + _CLOSEST)
        places: dict[int | None, float] = {
            k: _MARGIN + end * (log - logs[0]) / length for k, log in zip(self.ks, logs, strict=False)
        }
        return {**places, None: 1 - _MARGIN}

    def _draw(self, plot: "_Plot", panel: BudgetPanel, course: Course, levels: Sequence[float]) -> None:
        palette, places = plot.palette, plot.places
        plot.frame(levels)
        has_last = None in course.points or (panel.whole is not None and panel.whole.is_known)
        last = (course.last if None in course.points else "all") if has_last else ""
        for place, label in _labels({places[k]: f"{k:,}" for k in self.ks}, plot.px, last).items():
            plot.text((0, -4), place, plot.axes.get_ylim()[0], label, palette.muted, va="top", ha="center")
        plot.band([(k, point) for k, point in sorted(panel.random.items(), key=_size) if point.is_known])
        colour = palette.ink if course.borrowed else palette.series[0]
        line = [(k, point.value) for k, point in sorted(course.points.items(), key=_size) if k and point.is_known]
        plot.line([places[k] for k, _ in line], [value for _, value in line], color=colour, linewidth=1.3, zorder=2)
        marked = -1.0
        for size, point, kind in _points(panel, course):
            if not point.is_known:
                continue
            if kind == "reference" and size is not None:
                plot.line([places[size]], [point.value], marker="|", color=palette.muted, markersize=5, gid=plot.gid())
                continue
            remark = course.remarks.get(size, "") if kind == "mean" else ""
            own = palette.muted if kind == "reference" else colour
            plot.point(size, point, own, "D" if kind == "reference" else "o", filled=not remark)
            if remark and (places[size] - marked) * plot.px > width(remark, SMALL) + 2:
                is_high = point.value > sum(plot.axes.get_ylim()) / 2
                aside, align = (4, -2 if is_high else 2), "top" if is_high else "bottom"
                plot.text(aside, places[size], point.value, remark, own, fontsize=SMALL, va=align)
                marked = places[size]

    def _keys(self, panels: Sequence[BudgetPanel], px: float) -> dict[str, str]:
        """Kind of mark -> what it stands for, as wide as the figure."""
        sizes = [f"{k:,}" for k in self.ks]
        told = ", ".join(sizes) if len(sizes) <= _TOLD else f"{sizes[0]} to {sizes[-1]}"
        words = {"": f"Up: {self.unit}. Across: pairs trained on ({told}), a log scale; all of them at the right."}
        if any(point.is_known for panel in panels for point in panel.random.values()):
            words["random"] = "as many random pairs: the mean of their draws, and its interval"
        if any(panel.whole is not None and panel.whole.is_known for panel in panels):
            numbers = sorted({panel.pairs for panel in panels if panel.pairs})
            words["whole"] = "all pairs" + (f": {' and '.join(f'{number:,}' for number in numbers)}" if numbers else "")
        if any(course.borrowed for panel in panels for course in panel.courses):
            words["borrowed"] = "a control of another experiment"
        if out := self.left_out():
            words[" "] = (
                f"Not drawn, as they would squeeze the rest (their numbers are in the table): {', '.join(out)}."
            )
        return {kind: fitted(text, px - _KEY * bool(kind.strip()), SMALL) for kind, text in words.items()}


def _points(panel: BudgetPanel, course: Course) -> Iterator[tuple[int | None, Point, str]]:
    """(size, gain, kind) of a plot, in the order of drawing."""
    for size, point in sorted(panel.random.items(), key=_size):
        yield size, point.alone, "reference"
    if panel.whole is not None and None not in course.points:
        yield None, panel.whole, "reference"
    for size, point in sorted(course.points.items(), key=_size):
        yield size, point, "mean"


def _size(item: tuple[int | None, Point]) -> float:
    return math.inf if item[0] is None else item[0]


def _span(panel: BudgetPanel, courses: Sequence[Course]) -> tuple[float, float]:
    """The y axis of a panel that shows these courses."""
    points = [point for course in courses for point in course.points.values()]
    points += [*panel.random.values(), *([panel.whole] if panel.whole else [])]
    return limits(value for point in points for value in point.values())


def _labels(at: Mapping[float, str], px: float, last: str) -> dict[float, str]:
    """The labels of an x axis that fit, by place: the last one and the ends before others."""
    shown: dict[float, str] = {1 - _MARGIN: last} if last else {}
    places = list(at)
    for place in [*places[:1], *places[-1:], *places[1:-1]]:
        room = width(at[place], TINY) / 2 + 2
        if all(abs(place - other) * px >= room + width(text, TINY) / 2 + 2 for other, text in shown.items()):
            shown[place] = at[place]
    return shown


@dataclass(frozen=True, slots=True)
class _Plot:
    """A small plot among others in one row. x goes from 0 to 1."""

    axes: "Axes"
    left: float  # px
    px: float  # width
    places: Mapping[int | None, float]
    palette: Palette
    numbers: "count[int]"

    def gid(self) -> str:
        return f"mark-{next(self.numbers)}"

    def text(self, offset: tuple[float, float], x: float, y: float, text: str, colour: str, **style: Any) -> None:
        text_at(self.axes, offset, (self.left + x * self.px, y), text, colour, **{"fontsize": TINY} | style)

    def line(self, x: Sequence[float], y: Sequence[float], **style: Any) -> None:
        self.axes.plot([self.left + place * self.px for place in x], y, **style)

    def frame(self, levels: Sequence[float]) -> None:
        """Lines along some levels, the lower end of the axis, and 0."""
        ends = (self.left, self.left + self.px)
        self.axes.hlines([*levels, self.axes.get_ylim()[0]], *ends, color=self.palette.rule, linewidth=0.6, zorder=0.4)
        ticks = [place for size, place in self.places.items() if size]
        low = [self.axes.get_ylim()[0]] * len(ticks)
        self.line(ticks, low, marker="|", linestyle="none", color=self.palette.muted, markersize=5, clip_on=False)
        self.axes.hlines(0, *ends, color=self.palette.ink, linewidth=1.2, linestyle=DOTTED, zorder=1)

    def band(self, points: Sequence[tuple[int | None, Point]]) -> None:
        """Random draws by size: a dashed line, and their intervals as a band."""
        if not points:
            return
        sides = [-0.05, 0.05] if len(points) == 1 else [0.0]  # a band needs a width
        at = [(self.places[size] + side, point) for size, point in points for side in sides]
        x, values = [place for place, _ in at], [point.value for _, point in at]
        low = [point.value if point.estimate.low is None else point.estimate.low for _, point in at]
        high = [point.value if point.estimate.high is None else point.estimate.high for _, point in at]
        colour, px = self.palette.muted, [self.left + place * self.px for place in x]
        self.axes.fill_between(px, low, high, color=colour, alpha=0.22, linewidth=0, zorder=0.5)
        self.line(x, values, color=colour, linewidth=1.3, linestyle=DASHED, zorder=1.5)

    def point(self, size: int | None, point: Point, colour: str, shape: str, *, filled: bool) -> None:
        """A mark, its interval, and its runs beside it."""
        x, estimate = self.places[size], point.estimate
        if estimate.low is not None and estimate.high is not None:
            self.line([x, x], [estimate.low, estimate.high], color=colour, linewidth=1.2, alpha=0.8, zorder=2)
        style = mark_style(colour, self.palette, size=5.5, edge=1.3, filled=filled and shape == "o")
        self.line([x], [point.value], marker=shape, zorder=4, gid=self.gid(), **style)
        small = mark_style(self.palette.muted, self.palette, size=2.4, edge=0, filled=True)
        for run in point.runs:
            self.line([x], [run.value], marker="o", transform=moved(self.axes, 4), zorder=3, gid=self.gid(), **small)


def _draw_keys(grid: Grid, figure: "Figure", keys: Mapping[str, str], legend: float, palette: Palette) -> None:
    axes = grid.legend_axes(figure, whole=True)
    y = legend
    for kind, words in keys.items():
        tall = height(words.count("\n") + 1, SMALL) + 5
        y -= tall
        middle, colour = y + tall / 2, palette.ink if kind == "borrowed" else palette.muted
        if kind == "random":
            axes.fill_between([4, 22], middle - 5, middle + 5, color=colour, alpha=0.22, linewidth=0)
            axes.plot([4, 22], [middle, middle], color=colour, linewidth=1.3, linestyle=DASHED)
        elif kind == "whole":
            axes.plot([13], [middle], "D", **mark_style(colour, palette, size=5.5, edge=1.3, filled=False))
        elif kind == "borrowed":
            axes.plot([4, 22], [middle, middle], color=colour, linewidth=1.3)
            axes.plot([13], [middle], "o", **mark_style(colour, palette, size=5.5, edge=0, filled=True))
        at = (_KEY + 2 if kind.strip() else 2, middle)
        text_at(axes, (0, 0), at, words, palette.ink if kind.strip() else palette.muted, va="center", fontsize=SMALL)
