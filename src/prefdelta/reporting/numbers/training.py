"""The effect of training on each arm."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from prefdelta.core.arms import Arm
from prefdelta.core.precision import cosines_of
from prefdelta.records.details.train import TrainDetails, TrainedArm
from prefdelta.reporting.arms import read_arm
from prefdelta.reporting.manifests import FinishedJob, details_of
from prefdelta.training.registry import METHODS


@dataclass(frozen=True, slots=True)
class TrainingLine:
    arm: Arm
    method: str | None
    pairs: int | None  # pairs trained on, however many rows the method makes of a pair
    updates: int | None
    step0_loss: float | None  # nats
    known_loss: float | None  # the value that the first loss must have, in nats; None if the method has none
    losses: list[float]  # per update, nats
    margins: list[float]  # per update, nats (beta included); SFT has none
    differs_from_base: bool | None
    survives_bfloat16: float | None  # share of the parameters that would still differ from the base in bfloat16
    cosines: Mapping[str, float]  # precision -> cosine of what it keeps of the update with the whole update

    @property
    def step0_gap(self) -> float | None:
        """How far the first loss is from its known value."""
        return None if self.step0_loss is None or self.known_loss is None else self.step0_loss - self.known_loss


def training(jobs: Iterable[FinishedJob]) -> list[TrainingLine]:
    """One line per trained arm, by name. The manifests are those of batches of arms."""
    lines = [
        _training_line(read_arm(name), arm, job.manifest.typed_settings.recipe)
        for job, details in details_of(jobs, TrainDetails)
        for name, arm in details.arms.items()
    ]
    return sorted(lines, key=lambda line: str(line.arm))


def _training_line(arm: Arm, trained: TrainedArm, recipe: Mapping[str, Any] | None) -> TrainingLine:
    return TrainingLine(
        arm=arm,
        method=trained.method,
        pairs=trained.pairs,
        updates=trained.updates,
        step0_loss=trained.step0_loss,
        known_loss=_known_loss(recipe) if recipe else None,
        losses=_known(trained, "loss"),
        margins=_known(trained, "rewards/margins"),
        differs_from_base=trained.differs_from_base,
        survives_bfloat16=trained.changed_share_bfloat16,
        cosines=cosines_of(asdict(trained)),
    )


def _known_loss(recipe: Mapping[str, Any]) -> float | None:
    method = METHODS[recipe["method"]]
    return method.first_loss(method.recipe.model_validate_json(json.dumps(recipe)))


def _known(trained: TrainedArm, name: str) -> list[float]:
    """The values of a curve; empty if there is no such curve."""
    return [value for value in trained.curve.get(name, ()) if value is not None]
