"""What training did to each arm."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from prefdelta.core.arms import Arm
from prefdelta.records.details.train import TrainDetails, TrainedArm
from prefdelta.reporting.arms import read_arm
from prefdelta.reporting.manifests import FinishedJob, details_of

# The loss where policy and reference are the same: -log sigmoid(0) for DPO, 1 - sigmoid(0) for KTO. SFT has none.
KNOWN_LOSS = {"dpo": math.log(2.0), "kto": 0.5}


@dataclass(frozen=True, slots=True)
class TrainingLine:
    arm: Arm
    method: str | None
    pairs: int | None  # that it was trained on; KTO trains on two traces of each, SFT on one
    updates: int | None
    step0_loss: float | None  # nats
    losses: list[float]  # per update, nats
    margins: list[float]  # per update, nats (beta included); SFT has none
    differs_from_base: bool | None
    survives_bfloat16: float | None  # share of the parameters that would still differ from the base in bfloat16

    @property
    def known_loss(self) -> float | None:
        """What the first loss must be."""
        return KNOWN_LOSS.get(self.method or "")

    @property
    def step0_gap(self) -> float | None:
        """How far the first loss is from its known value."""
        return None if self.step0_loss is None or self.known_loss is None else self.step0_loss - self.known_loss


def training(jobs: Iterable[FinishedJob]) -> list[TrainingLine]:
    """One line per trained arm, by name. The manifests are those of batches of arms."""
    lines = [
        _training_line(read_arm(name), arm)
        for _, details in details_of(jobs, TrainDetails)
        for name, arm in details.arms.items()
    ]
    return sorted(lines, key=lambda line: str(line.arm))


def _training_line(arm: Arm, trained: TrainedArm) -> TrainingLine:
    return TrainingLine(
        arm=arm,
        method=trained.method,
        pairs=trained.pairs,
        updates=trained.updates,
        step0_loss=trained.step0_loss,
        losses=_known(trained, "loss"),
        margins=_known(trained, "rewards/margins"),
        differs_from_base=trained.differs_from_base,
        survives_bfloat16=trained.changed_share_bfloat16,
    )


def _known(trained: TrainedArm, name: str) -> list[float]:
    """The values of a curve that are there; none where there is no such curve."""
    return [value for value in trained.curve.get(name, ()) if value is not None]
