"""Details in the manifest of ladder: the accepted training, and the trainings that were rejected before it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowAccuracy:
    """Accuracy at temperature 1 on validation problems, and the window in which it must lie. Shares, 0 to 1."""

    family: str
    operations: Sequence[int]  # lengths of the problems
    accuracy: float
    low: float
    high: float
    n: int  # number of counted problems


@dataclass(frozen=True, slots=True)
class RejectedTraining:
    """A training whose model lies outside a window."""

    seed: int
    key: str | None = None  # key of its checkpoint in the record
    accuracies: Sequence[WindowAccuracy] = ()
    last_loss: float | None = None  # nats per token


@dataclass(frozen=True, slots=True)
class LadderDetails:
    parameters: int | None = None
    steps: int | None = None
    curve: Sequence[tuple[int, float]] = ()  # (step, loss in nats per token)
    seed: int | None = None
    accuracies: Sequence[WindowAccuracy] = ()
    rejected: Sequence[RejectedTraining] = ()
