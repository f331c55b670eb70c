"""Panels: the benchmarks of one domain and difficulty, which figures show as one.

A panel's accuracy is the mean of its benchmarks' accuracies, each of equal weight however many problems it has: 30
problems of a competition count as much as a thousand of another benchmark. Within a benchmark every problem has equal
weight, its accuracy being the mean over its draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.content import Content
from prefdelta.reporting.numbers.accuracies import Evaluation, Scores

_NAMES = {"stem": "STEM"}


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    note: str
    in_domain: bool
    evaluations: Sequence[Evaluation]


def panels(content: Content) -> list[Panel]:
    """The primary benchmarks, in order of first appearance."""
    alike: dict[tuple[str, bool], list[Evaluation]] = {}
    for evaluation in content.scores.evaluations(primary=True):
        benchmark = content.benchmarks[evaluation.benchmark]
        alike.setdefault((benchmark.note, benchmark.in_domain), []).append(evaluation)
    return [_panel(content, note, in_domain, evaluations) for (note, in_domain), evaluations in alike.items()]


def panel_gain(scores: Scores, arms: Sequence[Arm], panel: Panel) -> Estimate:
    """The mean over some repeats minus their base, as a share, over the problems that all of them have."""
    if len(panel.evaluations) == 1:
        difference = scores.compare(tuple(arms), panel.evaluations[0]).difference
        assert difference is not None  # primary groups have a base
        return difference
    weights: dict[Arm | Base, float] = {**dict.fromkeys(arms, 1 / len(arms)), arms[0].base: -1.0}
    return scores.contrast(weights, panel.evaluations)


def panel_difference(scores: Scores, arms: Sequence[Arm], others: Sequence[Arm], panel: Panel) -> Estimate:
    """The mean over some repeats minus the mean over others, as a share."""
    if len(panel.evaluations) == 1:
        return scores.against(tuple(arms), tuple(others), panel.evaluations[0])
    weights: dict[Arm | Base, float] = {
        **dict.fromkeys(arms, 1 / len(arms)),
        **dict.fromkeys(others, -1 / len(others)),
    }
    return scores.contrast(weights, panel.evaluations)


def _panel(content: Content, note: str, in_domain: bool, evaluations: Sequence[Evaluation]) -> Panel:
    if len(evaluations) == 1:
        return Panel(content.title_of(evaluations[0]), note, in_domain, evaluations)
    domain, comma, difficulty = note.partition(", ")
    title = f"{_NAMES.get(domain, domain.capitalize())}{comma}{difficulty}"
    return Panel(title, f"{len(evaluations)} benchmarks", in_domain, evaluations)
