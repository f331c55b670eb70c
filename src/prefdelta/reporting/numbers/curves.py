"""Curves of trainings, on scales that those which can be compared share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefdelta.reporting.figures.sparkline import sparkline
from prefdelta.reporting.numbers.ladder import LadderLine
from prefdelta.reporting.numbers.training import TrainingLine

if TYPE_CHECKING:
    from markupsafe import Markup


def training_rows(lines: Sequence[TrainingLine]) -> list[dict[str, Any]]:
    """Each arm with its loss and margin; arms trained by one method share their scales."""
    rows = []
    for line in lines:
        alike = [other for other in lines if other.method == line.method]
        losses = [value for other in alike for value in other.losses]
        margins = [value for other in alike for value in other.margins]
        rows.append(
            {
                "line": line,
                "loss": _curve(line.losses, losses, line.known_loss),
                "margin": _curve(line.margins, margins, 0.0),
            }
        )
    return rows


def ladder_rows(lines: Sequence[LadderLine]) -> list[dict[str, Any]]:
    """Each model with its loss."""
    everywhere = [value for line in lines for value in line.losses]
    return [{"line": line, "loss": _curve(line.losses, everywhere, None)} for line in lines]


def _curve(values: Sequence[float], everywhere: Sequence[float], mark: float | None) -> "Markup | None":
    from markupsafe import Markup

    if not values:
        return None
    ends = [*everywhere, *([] if mark is None else [mark])]
    return Markup(sparkline(values, min(ends), max(ends), mark))
