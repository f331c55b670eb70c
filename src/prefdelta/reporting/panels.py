"""Panels: the benchmarks of one domain and difficulty, which figures show as one.

A panel's accuracy is the mean of its benchmarks' accuracies, each of equal weight however many problems it has: 30
problems of a competition count as much as a thousand of another benchmark. Within a benchmark every problem has equal
weight, its accuracy being the mean over its draws.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Arm
from prefdelta.core.statistics import Estimate, scaled
from prefdelta.reporting.arms import Repeats, seed_names
from prefdelta.reporting.contrasts import Where, gain, where
from prefdelta.reporting.evidence import AnsweredBenchmarks, Evidence, title_of
from prefdelta.reporting.figures.marks import Head, Point, Repeat
from prefdelta.reporting.figures.values import MarkSource
from prefdelta.reporting.formats import span
from prefdelta.reporting.numbers.accuracies import Evaluation, Scores
from prefdelta.reporting.numbers.gains import POINTS, difference_weights, gain_weights

_NAMES = {"stem": "STEM"}


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    note: str
    in_domain: bool
    evaluations: Sequence[Evaluation]


def panels(evidence: AnsweredBenchmarks) -> list[Panel]:
    """The primary benchmarks, in order of first appearance."""
    alike: dict[tuple[str, bool], list[Evaluation]] = {}
    for evaluation in evidence.scores.evaluations(primary=True):
        benchmark = evidence.benchmarks[evaluation.benchmark]
        alike.setdefault((benchmark.note, benchmark.in_domain), []).append(evaluation)
    return [_panel(evidence, note, in_domain, evaluations) for (note, in_domain), evaluations in alike.items()]


def panel_gain(scores: Scores, arms: Sequence[Arm], panel: Panel) -> Estimate:
    """The mean over some repeats minus their base, as a share, over the problems that all of them have."""
    return scores.weighted_difference(gain_weights(arms), panel.evaluations)


def panel_difference(scores: Scores, arms: Sequence[Arm], others: Sequence[Arm], panel: Panel) -> Estimate:
    """The mean over some repeats minus the mean over others, as a share."""
    return scores.weighted_difference(difference_weights(arms, others), panel.evaluations)


def panel_place(evidence: AnsweredBenchmarks, panel: Panel) -> Where:
    """Where a panel's numbers are measured, for their names."""
    return where(evidence, panel.title, panel.evaluations)


def panel_point(evidence: Evidence, repeats: Repeats, panel: Panel, name: str) -> Point:
    """A gain as figures show it: in percentage points, with the gains of the repeats. name: of the arms."""
    place = panel_place(evidence, panel)
    singles = [((arm,), panel_gain(evidence.scores, [arm], panel)) for arm in repeats] if len(repeats) > 1 else []
    runs = [
        Repeat(POINTS * single.value, single.n, _source(str(arm[0]), arm, place))
        for arm, single in singles
        if single.value is not None
    ]
    whole = scaled(panel_gain(evidence.scores, repeats, panel), POINTS)
    return Point(whole, runs, _source(name, repeats, place))


def panel_head(evidence: Evidence, panel: Panel, members: Iterable[Repeats]) -> Head:
    """A panel's title, and on how many problems it rests."""
    problems = span([panel_gain(evidence.scores, repeats, panel).n for repeats in members])
    return Head(panel.title, f"{panel.note}; n\u00a0=\u00a0{problems}", panel.in_domain)


def _source(name: str, repeats: Repeats, place: Where) -> MarkSource:
    return MarkSource(name, gain(repeats, place).name, len(repeats), seed_names(repeats))


def _panel(evidence: AnsweredBenchmarks, note: str, in_domain: bool, evaluations: Sequence[Evaluation]) -> Panel:
    if len(evaluations) == 1:
        return Panel(title_of(evidence, evaluations[0]), note, in_domain, evaluations)
    domain, comma, difficulty = note.partition(", ")
    title = f"{_NAMES.get(domain, domain.capitalize())}{comma}{difficulty}"
    return Panel(title, f"{len(evaluations)} benchmarks", in_domain, evaluations)
