"""The ladder: the training cost and capability of its models, and rejected trainings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefdelta.core.statistics import Estimate, wilson_interval
from prefdelta.records.details.ladder import LadderDetails, WindowAccuracy
from prefdelta.reporting.manifests import FinishedJob, details_of


@dataclass(frozen=True, slots=True)
class WindowLine:
    """Accuracy on validation problems, and the window in which it must lie."""

    problems: str  # family, lengths and temperature
    accuracy: Estimate
    low: float
    high: float
    best: float | None  # largest accuracy at another temperature
    best_temperature: float | None
    at_most_above: float | None  # how far the best may lie above the accuracy
    inside: bool | None  # None if nothing was measured


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
            problems=f"{window.family}, {_lengths(window.operations)}, {_temperature(window.temperature)}",
            accuracy=wilson_interval(round(window.accuracy * window.n), window.n),
            low=window.low,
            high=window.high,
            best=window.best_accuracy,
            best_temperature=window.best_temperature,
            at_most_above=window.at_most_above,
            inside=window.inside if window.n else None,
        )
        for window in accuracies
    ]


def _lengths(operations: Sequence[int]) -> str:
    return f"{', '.join(map(str, operations))} operation{'' if list(operations) == [1] else 's'}"


def _temperature(temperature: float) -> str:
    return f"temperature {temperature:g}" if temperature else "greedy"
