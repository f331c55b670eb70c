"""The parts that panels share: a title, a note, whether the benchmark is in domain, points with intervals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import CHARACTER, LINE, SMALL, Palette, text_at, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Head:
    """The text above a panel."""

    title: str
    note: str
    in_domain: bool | None = None  # None: domains do not apply

    @property
    def domain(self) -> str:
        return {True: "in domain", False: "out of domain", None: ""}[self.in_domain]

    def lines(self, px: float) -> tuple[str, str]:
        """Title and note, wrapped to the width."""
        return wrapped(self.title, px), wrapped(self.note, px, SMALL)

    def height(self, px: float) -> int:
        """The height that it needs, in px."""
        title, note = self.lines(px)
        return LINE * (title.count("\n") + note.count("\n") + 2 + (self.in_domain is not None)) + 6


@dataclass(frozen=True, slots=True)
class Point:
    """An estimate and, if it is a mean of repeats, their values."""

    estimate: Estimate
    repeats: Sequence[float] = ()

    def values(self) -> list[float]:
        """All values that must lie inside the axes."""
        ends = (self.estimate.value, self.estimate.low, self.estimate.high, *self.repeats)
        return [value for value in ends if value is not None]


def limits(values: Iterable[float]) -> tuple[float, float]:
    """Limits of an axis that holds these values and 0, with a small margin."""
    inside = [0.0, *values]
    low, high = min(inside), max(inside)
    air = 0.07 * (high - low) or 1.0
    return low - air, high + air


def draw_head(axes: "Axes", head: Head, at: tuple[float, float], px: float, palette: Palette) -> None:
    """Draw the head above a point, the upper left corner of the axes. Out of domain has its own colour."""
    title, note = head.lines(px)
    above = 8
    text_at(axes, (0, above), at, note, palette.muted, fontsize=SMALL)
    above += LINE * (note.count("\n") + 1)
    if head.in_domain is not None:
        mark = "●" if head.in_domain else "○"
        text_at(axes, (0, above), at, f"{mark} {head.domain}", palette.ink, fontsize=SMALL, style="italic")
        above += LINE
    text_at(axes, (0, above + 2), at, title, palette.ink, weight="bold")


def mark_style(colour: str, palette: Palette, *, size: float, edge: float, filled: bool) -> dict[str, Any]:
    """How matplotlib draws a mark, filled or open. edge: width of the line around an open one."""
    return {
        "markersize": size,
        "markerfacecolor": colour if filled else palette.paper,
        "markeredgecolor": colour,
        "markeredgewidth": 0 if filled else edge,
    }


def width_of(labels: Iterable[str]) -> float:
    """The width of the longest label, in px."""
    return max((len(line) for label in labels for line in label.split("\n")), default=0) * CHARACTER
