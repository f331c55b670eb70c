"""A drawing as SVG for the page, whose style sheet has the colours, and as SVG and PDF files with their own colours."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol
from xml.etree import ElementTree

from prefdelta.reporting.figures.text import SMALL, width
from prefdelta.reporting.figures.values import Mark, csv_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "prefdelta",  # the same ids on every run
    "pdf.fonttype": 42,  # fonts as outlines that can be scaled
    "text.parse_math": False,  # names may hold dollar signs
    "font.family": "DejaVu Sans",  # part of matplotlib, so widths are the same everywhere
    "font.size": 11.5,
}
_MARGIN = 0.15  # inches, around the figure in files
WIDE, NARROW = 920, 340  # px
_OVER = 12  # px: by which labels of ticks may stick out at the ends of an axis


@dataclass(frozen=True, slots=True)
class Palette:
    ink: str
    muted: str
    rule: str
    paper: str
    series: Sequence[str]


# Matplotlib knows colours only; these stand for the page's colours, and are replaced in the SVG.
PAGE = Palette(
    "#010203",
    "#010204",
    "#010205",
    "#010207",
    ("#010206", "#010208", "#010209", "#01020a", "#01020b", "#01020c"),
)
_PAGE_COLOURS = {
    PAGE.ink: "currentColor",
    PAGE.muted: "var(--muted)",
    PAGE.rule: "var(--rule)",
    PAGE.paper: "var(--paper)",
    PAGE.series[0]: "var(--accent)",
    PAGE.series[1]: "var(--second)",
    PAGE.series[2]: "var(--third)",
    PAGE.series[3]: "var(--fourth)",
    PAGE.series[4]: "var(--fifth)",
    PAGE.series[5]: "var(--sixth)",
}


def print_palette(accent: str) -> Palette:
    """The colours of files, for white paper."""
    series = (accent, "#d55e00", "#009e73", "#b3608f", "#8a6d00", "#2f8fc4")  # after Okabe and Ito, darker
    return Palette("#1c1d1f", "#63666c", "#dcdde0", "#ffffff", series)


class Drawing(Protocol):
    """A figure before it is drawn."""

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """Draw it at 72 dots per inch, so that one unit is one px. narrow: one column, for phones.

        The mark of row i of `marks` has the group id `mark-<i>`.
        """
        ...

    def marks(self) -> list[Mark]:
        """The values of all marks, in the order in which they are drawn."""
        ...


def inline(drawing: Drawing, name: str, *, narrow: bool) -> str:
    """The SVG element for the page. name: unique on the page; it begins every id inside the SVG."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        return _inline(_svg(drawing.draw(PAGE, narrow=narrow), transparent=True), name)


def as_files(drawing: Drawing, accent: str) -> dict[str, bytes]:
    """The figure as files, by ending: one drawing as SVG (text as outlines) and PDF, and its values as CSV."""
    from matplotlib import rc_context
    from matplotlib.transforms import Bbox

    with rc_context(STYLE | {"svg.fonttype": "path"}):
        figure = drawing.draw(print_palette(accent), narrow=False)
        figure.set_facecolor("#ffffff")
        width, height = figure.get_size_inches()
        whole = Bbox.from_extents(0, 0, width, height).padded(_MARGIN)
        stream = io.BytesIO()
        nothing = {"CreationDate": None, "Producer": None, "Creator": None}
        figure.savefig(stream, format="pdf", metadata=nothing, bbox_inches=whole)
        svg = _svg(figure, transparent=False, bbox_inches=whole)
    return {"svg": svg.encode(), "pdf": stream.getvalue(), "csv": csv_text(drawing.marks()).encode()}


def text_at(
    axes: "Axes", offset: tuple[float, float], at: tuple[float, float], text: str, colour: str, **style: Any
) -> None:
    """Text at a point of the data, moved by px, whether or not it is inside the axes."""
    axes.annotate(
        text,
        at,
        xytext=offset,
        textcoords="offset points",
        color=colour,
        annotation_clip=False,
        **{"va": "bottom"} | style,
    )


def moved(axes: "Axes", x: float, y: float = 0.0) -> "Transform":
    """The axes' data, moved by px: marks beside each other keep their values."""
    from matplotlib.transforms import offset_copy

    return offset_copy(axes.transData, axes.get_figure(root=True), x, y, units="points")


def signed(value: float) -> str:
    """A tick label: +2, 0, −1.5."""
    return f"{value:+g}".replace("-", "−") if value else "0"


def signed_ticks(
    span: tuple[float, float], px: float, most: int, *, tall: bool = False
) -> tuple[list[float], list[str]]:
    """Round values on an axis of this length, about `most` of them, with labels that neither touch nor stick out far.

    tall: the axis stands upright, so that labels need their height.
    """
    from matplotlib.ticker import MaxNLocator

    low, high = span
    for number in range(most, 0, -1):
        labels = {at: signed(at) for at in map(float, MaxNLocator(number, steps=[1, 2, 5, 10]).tick_values(low, high))}
        rooms = {at: SMALL * 1.3 if tall else width(label, SMALL) + 6 for at, label in labels.items()}
        places = {at: (at - low) / (high - low) * px for at in labels}
        below, above = (3.0, SMALL) if tall else (_OVER, _OVER)
        inside = [at for at in labels if rooms[at] / 2 - below <= places[at] <= px + above - rooms[at] / 2]
        shown = [labels[at] for at in inside]
        apart = all(places[b] - places[a] >= (rooms[a] + rooms[b]) / 2 for a, b in pairwise(inside))
        if apart and len(set(shown)) == len(shown):
            return inside, shown
    return [], []


def bare(axes: "Axes", palette: Palette, keep: Sequence[str]) -> None:
    """Remove the axes' frame, except the sides in `keep`."""
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(side in keep)
        axes.spines[side].set_color(palette.rule)
    axes.tick_params(color=palette.rule, labelcolor=palette.muted, length=3, labelsize=SMALL)


def _svg(figure: "Figure", *, transparent: bool, **options: Any) -> str:
    stream = io.StringIO()
    blank = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(stream, format="svg", transparent=transparent, metadata=blank, **options)
    return stream.getvalue()


def _inline(svg: str, name: str) -> str:
    """The SVG element alone, with its own ids and the page's colours, and no references to the outside."""
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
    """All elements, without the namespace in their names: HTML needs none."""
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
