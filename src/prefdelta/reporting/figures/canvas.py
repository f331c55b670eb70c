"""A drawing as SVG for the page, whose style sheet has the colours, and as SVG and PDF files with their own colours."""

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "prefdelta",  # the same ids on every run
    "pdf.fonttype": 42,  # fonts as outlines that can be scaled
    "text.parse_math": False,  # names may hold dollar signs
    "font.family": "DejaVu Sans",  # part of matplotlib, so widths are the same everywhere
    "font.size": 11.5,
}
CHARACTER = 6.4  # px: width of an average character at this size
LINE = 15  # px
_MARGIN: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.15}  # margins of files
SMALL = 10.5  # px: size of secondary text
WIDE, NARROW = 920, 340  # px


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
    series = (accent, "#b0561a", "#4a7a3a", "#7a4a9c", "#a62f5d", "#157f82")
    return Palette("#1c1d1f", "#63666c", "#dcdde0", "#ffffff", series)


class Drawing(Protocol):
    """A figure before it is drawn."""

    def draw(self, palette: Palette, *, narrow: bool) -> "Figure":
        """Draw it at 72 dots per inch, so that one unit is one px. narrow: one column, for phones."""
        ...


def inline(drawing: Drawing, name: str, *, narrow: bool) -> str:
    """The SVG element for the page. name: unique on the page; it begins every id inside the SVG."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        return _inline(_svg(drawing.draw(PAGE, narrow=narrow), transparent=True), name)


def as_files(drawing: Drawing, accent: str) -> dict[str, bytes]:
    """The same figure as files that stand alone, by ending: SVG with text as outlines, and PDF."""
    from matplotlib import rc_context

    with rc_context(STYLE | {"svg.fonttype": "path"}):
        figure = drawing.draw(print_palette(accent), narrow=False)
        figure.set_facecolor("#ffffff")
        stream = io.BytesIO()
        nothing = {"CreationDate": None, "Producer": None, "Creator": None}
        figure.savefig(stream, format="pdf", metadata=nothing, **_MARGIN)
        return {"svg": _svg(figure, transparent=False, **_MARGIN).encode(), "pdf": stream.getvalue()}


def wrapped(text: str, px: float, size: float = 11.5) -> str:
    """A text, wrapped to the width."""
    characters = max(int(px / (CHARACTER * size / 11.5)) - 1, 12)
    return "\n".join(textwrap.wrap(text, characters)) or text


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


def signed(value: float) -> str:
    """A tick label: +2, 0, −1.5."""
    return f"{value:+g}".replace("-", "−") if value else "0"


def signed_ticks(axis: "Axis", most: int) -> None:
    """Signed ticks at round values, at most `most` + 1."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: signed(value)))


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
