"""The answers of arms to benchmarks, read as the report reads them, so that every number is the report's."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.looking.results import Results
from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import Estimate
from prefdelta.reporting import formats
from prefdelta.reporting.evidence import BenchmarkLabel
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.gains import ArmWeights, mean_weights
from prefdelta.stages.report import ReportSettings

Side = tuple[Arm, ...] | Base


@dataclass(frozen=True, slots=True)
class Answered:
    """What has been answered so far, in some groups of benchmarks, which all count as primary."""

    scores: Scores
    benchmarks: Mapping[str, BenchmarkLabel]
    groups: Mapping[str, BenchmarkGroup]


def report_settings(results: Results) -> ReportSettings:
    """The settings of the study's report."""
    (job,) = results.study.jobs("report")
    settings = job.typed_settings
    assert isinstance(settings, ReportSettings)
    return settings


def read_answers(results: Results, groups: Collection[str], benchmarks: Collection[str] | None = None) -> Answered:
    """All answers that are there in some groups: the variance between runs is that of all arms, as in the report.

    benchmarks: those to be looked at; None: all.
    """
    settings = report_settings(results)
    shown = {
        name: BenchmarkGroup(
            group.title,
            [one for one in group.benchmarks if benchmarks is None or one in benchmarks],
            name in groups,
            group.temperature,
        )
        for name, group in settings.groups.items()
    }
    labels = {
        name: BenchmarkLabel.of(benchmark.title, benchmark.domain, benchmark.difficulty, benchmark.in_domain)
        for name, benchmark in settings.benchmarks.items()
    }
    paths = [
        path
        for job in results.study.jobs("evaluate")
        for path in map(Path, job.outputs)
        if path.stem in groups and path.is_file()
    ]
    bootstrap = Bootstrap(settings.resamples, settings.seed)
    scores = Scores.read(paths, results.name, list(settings.benchmarks), shown, bootstrap)
    return Answered(scores, labels, {name: group for name, group in shown.items() if name in groups})


def accuracy(scores: Scores, side: Side, evaluations: Sequence[Evaluation]) -> Estimate:
    """The accuracy of an arm, the mean over its repeats, or an untrained policy: on one benchmark, the report's."""
    if len(evaluations) == 1:
        if not isinstance(side, Base):
            return scores.against_base(side, evaluations[0]).accuracy
        if side.temperature is None:
            return scores.base(side.policy, evaluations[0]).accuracy
    return scores.weighted_difference(weights_of(side), evaluations)


def weights_of(side: Side) -> ArmWeights:
    """The weights of a mean over repeats, or of an untrained policy."""
    return {side: 1.0} if isinstance(side, Base) else mean_weights(side)


def members(side: Side) -> tuple[Arm | Base, ...]:
    """The arms of a side, or the untrained policy."""
    return (side,) if isinstance(side, Base) else side


def truncated(scores: Scores, side: Side, evaluations: Iterable[Evaluation]) -> float | None:
    """The share of a side's answers that are truncated, over all benchmarks together; None without answers."""
    cut = asked = 0
    for matrix in filter(None, map(scores.answers, evaluations)):
        rows = matrix.rows_of(members(side))
        cut, asked = cut + int(matrix.truncated[rows].sum()), asked + int(matrix.samples[rows].sum())
    return cut / asked if asked else None


def interval(estimate: Estimate | None) -> str:
    """A difference of shares in points with its interval: +1.3 [−4.9, +7.5]."""
    if estimate is None or estimate.value is None:
        return formats.NONE
    ends = "" if estimate.low is None else f" [{formats.points(estimate.low)}, {formats.points(estimate.high)}]"
    return f"{formats.points(estimate.value)}{ends}"


def share(estimate: Estimate | None) -> str:
    """A share in percent with its interval: 43.2 [40.1, 46.3]."""
    if estimate is None or estimate.value is None:
        return formats.NONE
    ends = "" if estimate.low is None else f" [{formats.percent(estimate.low)}, {formats.percent(estimate.high)}]"
    return f"{formats.percent(estimate.value)}{ends}"
