"""Details in the manifest of ladder: the accepted training, and the trainings that were rejected before it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowAccuracy:
    """Accuracy on validation problems, and the window in which it must lie. Shares, 0 to 1."""

    family: str
    operations: Sequence[int]  # lengths of the problems
    accuracy: float
    low: float
    high: float
    n: int  # number of counted problems
    temperature: float = 1.0  # of the answers; 0 is greedy
    best_temperature: float | None = None  # of other temperatures, the one with the highest accuracy
    best_accuracy: float | None = None  # at that temperature
    at_most_above: float | None = None  # how far best_accuracy may lie above accuracy

    @property
    def inside(self) -> bool:
        """Whether the accuracy lies in its window, and no other temperature mends the model."""
        mended = (
            self.best_accuracy is not None
            and self.at_most_above is not None
            and round(self.best_accuracy - self.accuracy, 4) > self.at_most_above
        )
        return self.low <= self.accuracy <= self.high and not mended


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
