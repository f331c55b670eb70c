"""The ladder: the training cost and capability of its models, and rejected trainings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefdelta.core.statistics import Estimate, wilson_interval
from prefdelta.records.details.ladder import LadderDetails, WindowAccuracy
from prefdelta.reporting.manifests import FinishedJob, details_of


@dataclass(frozen=True, slots=True)
class WindowLine:
    """Accuracy at temperature 1 on validation problems, and the window in which it must lie."""

    problems: str  # family and lengths
    accuracy: Estimate
    low: float
    high: float

    @property
    def inside(self) -> bool | None:
        return None if self.accuracy.value is None else self.low <= self.accuracy.value <= self.high


@dataclass(frozen=True, slots=True)
class LadderTraining:
    seed: int | None
    windows: Sequence[WindowLine]


@dataclass(frozen=True, slots=True)
class LadderLine:
    name: str
    parameters: int | None
    steps: int | None
    kept: LadderTraining
    rejected: Sequence[LadderTraining]
    losses: list[float]  # along the steps, nats per token


def ladder(jobs: Iterable[FinishedJob]) -> list[LadderLine]:
    """One line per model, by name."""
    lines = [
        LadderLine(
            name=job.name.partition("/")[0],
            parameters=details.parameters,
            steps=details.steps,
            kept=LadderTraining(details.seed, _windows(details.accuracies)),
            rejected=[LadderTraining(training.seed, _windows(training.accuracies)) for training in details.rejected],
            losses=[loss for _, loss in details.curve],
        )
        for job, details in details_of(jobs, LadderDetails)
    ]
    return sorted(lines, key=lambda line: line.name)


def _windows(accuracies: Iterable[WindowAccuracy]) -> list[WindowLine]:
    return [
        WindowLine(
            f"{window.family}, {_lengths(window.operations)}",
            wilson_interval(round(window.accuracy * window.n), window.n),
            window.low,
            window.high,
        )
        for window in accuracies
    ]


def _lengths(operations: Sequence[int]) -> str:
    return f"{', '.join(map(str, operations))} operation{'' if list(operations) == [1] else 's'}"
