"""The parts that panels share: a title, a note, whether the benchmark is in domain, points with intervals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.figures.canvas import Palette, text_at
from prefdelta.reporting.figures.text import SMALL, fitted, height
from prefdelta.reporting.figures.values import Mark, MarkSource

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d")
DOTTED, DASHED = (0, (1, 2)), (0, (4, 3))


@dataclass(frozen=True, slots=True)
class Head:
    """The text above a panel."""

    title: str
    note: str
    in_domain: bool | None = None  # None: domains do not apply

    @property
    def domain(self) -> str:
        return {True: "in domain", False: "out of domain", None: ""}[self.in_domain]

    def height(self, px: float) -> float:
        """The height that it needs if it may be so wide, in px."""
        return sum(height(text.count("\n") + 1, size) for text, size, _ in self._parts(px)) + 8

    def draw(self, axes: "Axes", at: tuple[float, float], px: float, palette: Palette, above: float = 0) -> None:
        """Draw it above a point of the data, the upper left corner of the axes, and so many px more."""
        above += 6.0
        for text, size, style in self._parts(px):
            colour = palette.muted if style == {} else palette.ink
            text_at(axes, (0, above), at, text, colour, fontsize=size, **style)
            above += height(text.count("\n") + 1, size)

    def _parts(self, px: float) -> list[tuple[str, float, dict[str, str]]]:
        """(text, size, style), from below: the note, the domain, the title."""
        parts: list[tuple[str, float, dict[str, str]]] = []
        if self.note:
            parts.append((fitted(self.note, px, SMALL), SMALL, {}))
        if self.in_domain is not None:
            parts.append((f"{'●' if self.in_domain else '○'} {self.domain}", SMALL, {"style": "italic"}))
        return [*parts, (fitted(self.title, px, bold=True), 11.5, {"weight": "bold"})]


@dataclass(frozen=True, slots=True)
class Repeat:
    """One of the runs behind a mean."""

    value: float
    n: int  # items
    source: MarkSource


@dataclass(frozen=True, slots=True)
class Point:
    """An estimate and, if it is a mean of repeats, their values."""

    estimate: Estimate
    repeats: Sequence[Repeat] = ()
    source: MarkSource = field(default_factory=MarkSource)

    @property
    def is_known(self) -> bool:
        return self.estimate.value is not None

    @property
    def value(self) -> float:
        """Its value, which is known."""
        assert self.estimate.value is not None
        return self.estimate.value

    @property
    def runs(self) -> Sequence[Repeat]:
        """The repeats that are drawn, as small marks: those of a mean over several."""
        return self.repeats if len(self.repeats) > 1 and self.is_known else ()

    @property
    def alone(self) -> "Point":
        """Without its runs, where these are not drawn."""
        return replace(self, repeats=())

    def values(self) -> list[float]:
        """All values that must lie inside the axes."""
        if not self.is_known:
            return []
        ends = (self.estimate.value, self.estimate.low, self.estimate.high, *(run.value for run in self.runs))
        return [value for value in ends if value is not None]

    def marks(
        self, panel: str, series: str, x: float | str, unit: str, across: Estimate | None = None, kind: str = "mean"
    ) -> list[Mark]:
        """Its row of the CSV, and one for each run that is drawn; none if its value is not known."""
        if not self.is_known:
            return []
        source, ends = self.source, (across.low, across.high) if across else (None, None)

        def row(kind: str, of: MarkSource, own: Estimate, ends: tuple[float | None, float | None]) -> Mark:
            return Mark(
                panel=panel,
                series=series,
                name=of.name,
                contrast=of.contrast,
                kind=kind,
                x=x,
                x_low=ends[0],
                x_high=ends[1],
                y=own.value,
                low=own.low,
                high=own.high,
                unit=unit,
                n=own.n,
                runs=of.runs,
                seeds=" ".join(of.seeds),
            )

        of_runs = [Estimate(run.value, None, None, run.n) for run in self.runs]
        return [
            row(kind, source, self.estimate, ends),
            *(row("run", run.source, own, (None, None)) for run, own in zip(self.runs, of_runs, strict=True)),
        ]


def limits(values: Iterable[float]) -> tuple[float, float]:
    """Limits of an axis that holds these values and 0, with a small margin."""
    inside = [0.0, *values]
    low, high = min(inside), max(inside)
    air = 0.07 * (high - low) or 1.0
    return low - air, high + air


def mark_style(colour: str, palette: Palette, *, size: float, edge: float, filled: bool) -> dict[str, Any]:
    """How matplotlib draws a mark, filled or open. edge: width of the line around an open one."""
    return {
        "markersize": size,
        "markerfacecolor": colour if filled else palette.paper,
        "markeredgecolor": colour,
        "markeredgewidth": 0 if filled else edge,
        "linestyle": "none",
    }
