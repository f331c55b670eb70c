"""What figures show as one: the benchmarks of one domain and difficulty.

A panel's accuracy is the mean of its benchmarks' accuracies, each of equal weight however many problems it has: 30
problems of a competition are not outvoted by a thousand of another. Within a benchmark every problem has equal weight,
its accuracy being the mean over its draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from prefdelta.core.statistics import Estimate
from prefdelta.reporting.arms import Arm
from prefdelta.reporting.content import Content
from prefdelta.reporting.numbers.accuracies import Cell, Scores

_NAMES = {"stem": "STEM"}


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    note: str
    in_domain: bool
    cells: Sequence[Cell]


def panels(content: Content) -> list[Panel]:
    """The primary benchmarks, in order of first appearance."""
    found: dict[tuple[str, bool], list[Cell]] = {}
    for cell in content.scores.cells(primary=True):
        benchmark = content.benchmarks[cell.benchmark]
        found.setdefault((benchmark.note, benchmark.in_domain), []).append(cell)
    return [_panel(content, note, in_domain, cells) for (note, in_domain), cells in found.items()]


def panel_gain(scores: Scores, arms: Sequence[Arm], cells: Sequence[Cell]) -> Estimate:
    """The mean over some repeats minus their base: a share, over the problems that all of them have."""
    if len(cells) == 1:
        found = scores.compare(tuple(arms), cells[0]).difference
        assert found is not None  # primary groups have a base
        return found
    return scores.contrast({**dict.fromkeys((arm.name for arm in arms), 1 / len(arms)), arms[0].base: -1.0}, cells)


def panel_difference(scores: Scores, arms: Sequence[Arm], others: Sequence[Arm], cells: Sequence[Cell]) -> Estimate:
    """The mean over some repeats minus the mean over others: a share."""
    if len(cells) == 1:
        return scores.against(tuple(arms), tuple(others), cells[0])
    left = dict.fromkeys((arm.name for arm in arms), 1 / len(arms))
    right = dict.fromkeys((arm.name for arm in others), -1 / len(others))
    return scores.contrast({**left, **right}, cells)


def _panel(content: Content, note: str, in_domain: bool, cells: Sequence[Cell]) -> Panel:
    if len(cells) == 1:
        return Panel(content.cell_title(cells[0]), note, in_domain, cells)
    domain, comma, difficulty = note.partition(", ")
    title = f"{_NAMES.get(domain, domain.capitalize())}{comma}{difficulty}"
    return Panel(title, f"{len(cells)} benchmarks", in_domain, cells)
