"""Figures as SVG for inlining: they take ink, rules and accent from the page, so they suit light and dark alike."""

import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from prefdelta.core.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Matplotlib knows colours only; these stand for what the page decides, and are replaced in the SVG.
_INK, _MUTED, _RULE, _ACCENT, _PAPER = "#010203", "#010204", "#010205", "#010206", "#010207"
_PAGE_COLOURS = {
    _INK: "currentColor",
    _MUTED: "var(--muted)",
    _RULE: "var(--rule)",
    _ACCENT: "var(--accent)",
    _PAPER: "var(--paper)",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "prefdelta",  # the same ids on every run
    "text.parse_math": False,  # names may hold dollar signs
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same widths everywhere
    "font.size": 11.5,
}
_CHARACTER = 6.4  # px: width of an average character at this size
_LINE = 15  # px


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of a panel."""

    label: str
    estimate: Estimate
    seeds: Sequence[float] = ()  # the values that `estimate` is the mean of


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    note: str
    dots: Sequence[Dot]  # the same labels in every panel


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes in px. Wide: panels side by side, labels left of the first. Narrow: one column, labels above the dots."""

    width: int
    columns: int
    left: int  # room for labels
    row: int
    gap: int
    narrow: bool


def dot_panels(panels: Sequence[Panel], unit: str, name: str, *, narrow: bool) -> str:
    """Small multiples with one shared x axis: a dot and its interval per row, small dots for seeds, dots along 0.

    name: unique on the page; it begins every id inside the SVG.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    layout = _layout(panels, narrow=narrow)
    heads = [_wrapped(panel, layout) for panel in panels]
    head = max(text.count("\n") + 1 for text, _ in heads) * _LINE + max(n.count("\n") + 1 for _, n in heads) * _LINE
    body = max(len(panel.dots) for panel in panels) * layout.row
    foot = 46  # tick labels and the unit
    n_rows = -(-len(panels) // layout.columns)
    cell = head + body + foot
    height = n_rows * cell + (n_rows - 1) * layout.gap
    panel_width = (layout.width - layout.left - layout.gap * (layout.columns - 1) - 14) / layout.columns
    limits = _limits([dot for panel in panels for dot in panel.dots])
    with rc_context(_STYLE):
        figure = Figure(figsize=(layout.width / 72, height / 72))  # at 72 dots per inch, so that 1 unit is 1 px
        for index, panel in enumerate(panels):
            row, column = divmod(index, layout.columns)
            x = layout.left + column * (panel_width + layout.gap)
            y = height - row * (cell + layout.gap) - head - body
            box = (x / layout.width, y / height, panel_width / layout.width, body / height)
            axes = figure.add_axes(box)
            _draw(axes, panel, unit, limits, layout, heads[index], labelled=column == 0)
        stream = io.StringIO()
        blank = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(stream, format="svg", transparent=True, metadata=blank)
    return _inline(stream.getvalue(), name)


def sparkline(values: Sequence[float], low: float, high: float, mark: float | None = None) -> str:
    """A curve of 100 x 30 px between two bounds, with a dotted line at `mark`; means of neighbours where it is long."""
    width, height, edge, most = 100, 30, 3, 60
    span = (high - low) or 1.0

    def y(value: float) -> str:
        return f"{edge + (height - 2 * edge) * (high - value) / span:.1f}"

    n = min(len(values), most)
    means = [fmean(values[i * len(values) // n : (i + 1) * len(values) // n]) for i in range(n)]
    points = " ".join(f"{edge + (width - 2 * edge) * i / max(n - 1, 1):.1f},{y(v)}" for i, v in enumerate(means))
    dotted = f'<path class="mark" d="M0 {y(mark)}H{width}"/>' if mark is not None and low <= mark <= high else ""
    curve = f'<polyline points="{points}"/>' if n > 1 else ""
    end = f'<circle cx="{points.split()[-1].split(",")[0]}" cy="{y(means[-1])}" r="2"/>' if n else ""
    return f'<svg class="spark" viewBox="0 0 {width} {height}" aria-hidden="true">{dotted}{curve}{end}</svg>'


def _layout(panels: Sequence[Panel], *, narrow: bool) -> _Layout:
    if narrow:
        return _Layout(width=340, columns=1, left=8, row=36, gap=22, narrow=True)
    longest = max((len(dot.label) for panel in panels for dot in panel.dots), default=0)
    left = min(round(longest * _CHARACTER) + 20, 330)
    columns = max(1, min(len(panels), 4, (920 - left) // 150))
    return _Layout(width=920, columns=columns, left=left, row=26, gap=24, narrow=False)


def _wrapped(panel: Panel, layout: _Layout) -> tuple[str, str]:
    """Title and note in lines that fit the panel's width."""
    room = (layout.width - layout.left - layout.gap * (layout.columns - 1)) / layout.columns
    characters = max(int(room / _CHARACTER) - 1, 12)
    return (
        "\n".join(textwrap.wrap(panel.title, characters)) or panel.title,
        "\n".join(textwrap.wrap(panel.note, characters)) or panel.note,
    )


def _limits(dots: Iterable[Dot]) -> tuple[float, float]:
    """The shared x axis: all intervals and 0, with a little air."""
    values = [0.0]
    for dot in dots:
        ends = (dot.estimate.value, dot.estimate.low, dot.estimate.high, *dot.seeds)
        values += [value for value in ends if value is not None]
    low, high = min(values), max(values)
    air = 0.07 * (high - low) or 1.0
    return low - air, high + air


def _draw(
    axes: "Axes",
    panel: Panel,
    unit: str,
    limits: tuple[float, float],
    layout: _Layout,
    head: tuple[str, str],
    *,
    labelled: bool,
) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(*limits)
    axes.set_ylim(len(panel.dots) - 0.5, -0.5)
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_RULE)
    axes.xaxis.set_major_locator(MaxNLocator(5 if layout.narrow else 4, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(value)))
    axes.tick_params(axis="x", color=_RULE, labelcolor=_MUTED, length=3, labelsize=10.5)
    axes.set_xlabel(unit, color=_MUTED, fontsize=10.5, labelpad=2)
    axes.axvline(0, color=_INK, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    shift = 0.24 if layout.narrow else 0.0  # below the label
    for place, dot in enumerate(panel.dots):
        _draw_dot(axes, dot, place + shift)
        if layout.narrow:
            _text(axes, (0, 0), (limits[0], place - 0.02), dot.label, _INK, backgroundcolor=_PAPER)
        elif labelled:
            _text(axes, (-12, 0), (limits[0], place), dot.label, _INK, ha="right", va="center")
    title, note = head
    _text(axes, (0, 10 + _LINE * (note.count("\n") + 1)), (limits[0], -0.5), title, _INK, weight="bold")
    _text(axes, (0, 8), (limits[0], -0.5), note, _MUTED, fontsize=10.5)


def _draw_dot(axes: "Axes", dot: Dot, y: float) -> None:
    axes.axhline(y, color=_RULE, linewidth=0.6, zorder=0)
    estimate = dot.estimate
    if estimate.value is None:
        return
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [y, y], color=_ACCENT, linewidth=1.8, solid_capstyle="round", zorder=2)
    if len(dot.seeds) > 1:
        nearby = [y + 0.2] * len(dot.seeds)
        axes.plot(dot.seeds, nearby, "o", color=_MUTED, markersize=2.6, markeredgewidth=0, zorder=3)
    axes.plot([estimate.value], [y], "o", color=_ACCENT, markersize=6.5, markeredgewidth=0, zorder=4)


def _text(
    axes: "Axes", offset: tuple[float, float], at: tuple[float, float], text: str, colour: str, **style: Any
) -> None:
    axes.annotate(
        text,
        at,
        xytext=offset,
        textcoords="offset points",
        color=colour,
        annotation_clip=False,
        **{"va": "bottom"} | style,
    )


def signed(value: float) -> str:
    """A tick label: +2, 0, −1.5."""
    return f"{value:+g}".replace("-", "−") if value else "0"


def _inline(svg: str, name: str) -> str:
    """The SVG element alone, with its own ids and the page's colours, and nothing that reaches outside."""
    root = ElementTree.fromstring(svg)
    _drop(root, {"metadata", "style"})
    for element in _plain(root):
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            element.set(_local(key), _attribute(_local(key), value, name))
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.set("class", "figure")
    root.set("aria-hidden", "true")  # the tables say the same in text
    return ElementTree.tostring(root, encoding="unicode")


def _plain(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """All elements, with their names freed of the namespace: HTML needs none."""
    for element in root.iter():
        element.tag = _local(element.tag)
        yield element


def _drop(parent: ElementTree.Element, names: set[str]) -> None:
    for child in list(parent):
        if _local(child.tag) in names:
            parent.remove(child)
        else:
            _drop(child, names)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    value = re.sub(r"url\(#", f"url(#{name}-", value)
    for colour, replacement in _PAGE_COLOURS.items():
        value = value.replace(colour, replacement)
    return value
