"""Curves of trainings. Comparable curves share a scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.reporting.figures.sparkline import sparkline
from prefdelta.reporting.numbers.jobs.ladder import LadderLine
from prefdelta.reporting.numbers.training import TrainingLine

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class TrainingRow:
    line: TrainingLine
    loss: "Markup | None"
    margin: "Markup | None"


@dataclass(frozen=True, slots=True)
class LadderRow:
    line: LadderLine
    loss: "Markup | None"


def training_rows(lines: Sequence[TrainingLine]) -> list[TrainingRow]:
    """Each arm with its loss and margin; arms trained by one method share their scales."""
    rows = []
    for line in lines:
        alike = [other for other in lines if other.method == line.method]
        losses = [value for other in alike for value in other.losses]
        margins = [value for other in alike for value in other.margins]
        rows.append(TrainingRow(line, _curve(line.losses, losses, line.known_loss), _curve(line.margins, margins, 0.0)))
    return rows


def ladder_rows(lines: Sequence[LadderLine]) -> list[LadderRow]:
    """Each model with its loss."""
    losses = [value for line in lines for value in line.losses]
    return [LadderRow(line, _curve(line.losses, losses, None)) for line in lines]


def _curve(values: Sequence[float], alike: Sequence[float], mark: float | None) -> "Markup | None":
    """alike: the values of all curves on the same scale."""
    from markupsafe import Markup

    if not values:
        return None
    ends = [*alike, *([] if mark is None else [mark])]
    return Markup(sparkline(values, min(ends), max(ends), mark))
