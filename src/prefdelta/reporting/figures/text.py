"""The room that text needs, and how it breaks into lines. Sizes in px, in matplotlib's own font."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

NORMAL = 11.5  # px: size of text
SMALL = 10.5  # px: size of secondary text
TINY = 9.5  # px: size of labels inside a panel
_LINE = 1.3  # height of a line, as a share of its size
# A name may break behind these; other characters stay together, as do those around a no-break space.
_PIECES = re.compile(r"[^ _/·~@.,=-]*[_/·~@.,=-]*| ")


def height(lines: int, size: float = NORMAL) -> float:
    """The height of some lines."""
    return _LINE * size * lines


def width(text: str, size: float = NORMAL, *, bold: bool = False) -> float:
    """The width of a text's longest line."""
    return max(_width(line, bold) for line in text.split("\n")) * size / NORMAL


def widest(texts: Iterable[str], size: float = NORMAL) -> float:
    """The width of the widest text; 0 without any."""
    return max((width(text, size) for text in texts), default=0.0)


def fitted(text: str, px: float, size: float = NORMAL, *, bold: bool = False) -> str:
    """A text, broken into lines of at most this width: at spaces, then inside of names, else anywhere."""
    lines, line = list[str](), ""
    for piece in _pieces(text, px, size, bold):
        if line and width((line + piece).rstrip(), size, bold=bold) > px:
            lines.append(line.rstrip())
            line = ""
        line += "" if piece == " " and not line else piece
    return "\n".join([*lines, line.rstrip()])


def columns(texts: Sequence[str], px: float, size: float, gap: float) -> int:
    """How many texts stand beside each other in a width, in columns that the widest fits."""
    return max(1, int((px + gap) // (widest(texts, size) + gap)))


def _pieces(text: str, px: float, size: float, bold: bool) -> Iterable[str]:
    """What may stand on a line of its own: a word with the space behind it, and parts of it if it is too wide."""
    for word in re.findall(r"[^ \n]+|[ \n]+", text):
        if word.isspace():
            yield " "
        elif width(word, size, bold=bold) <= px:
            yield word
        else:
            for part in filter(None, _PIECES.findall(word)):
                yield from [part] if width(part, size, bold=bold) <= px else _cut(part, px, size, bold)


def _cut(part: str, px: float, size: float, bold: bool) -> Iterable[str]:
    while part:
        length = len(part)
        while length > 1 and width(part[:length], size, bold=bold) > px:
            length -= 1
        yield part[:length]
        part = part[length:]


@cache
def _width(line: str, bold: bool) -> float:
    from matplotlib.ft2font import LoadFlags

    font = _font(bold)
    font.set_size(NORMAL, 72)  # others use this object, too
    font.set_text(line, 0.0, flags=LoadFlags.NO_HINTING)
    return float(font.get_width_height()[0]) / 64


@cache
def _font(bold: bool) -> "FT2Font":
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
