"""What training did to each arm."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prefdelta.reporting.arms import Arm, read_arm
from prefdelta.reporting.manifests import Manifest
from prefdelta.training.registry import METHODS


@dataclass(frozen=True, slots=True)
class TrainingLine:
    arm: Arm
    method: str | None
    pairs: int | None  # that it was trained on, whatever rows its method makes of them
    updates: int | None
    step0_loss: float | None  # nats
    known_loss: float | None  # what the first loss must be, in nats; None if the method does not say
    losses: list[float]  # per update, nats
    margins: list[float]  # per update, nats (beta included); SFT has none
    differs_from_base: bool | None
    survives_bfloat16: float | None  # share of the parameters that would still differ from the base in bfloat16

    @property
    def step0_gap(self) -> float | None:
        """How far the first loss is from its known value."""
        return None if self.step0_loss is None or self.known_loss is None else self.step0_loss - self.known_loss


def training(found: Iterable[Manifest]) -> list[TrainingLine]:
    """One line per trained arm, by name. The manifests are those of batches of arms."""
    lines = [
        _line(read_arm(name), details, manifest.content["settings"].get("recipe"))
        for manifest in found
        if manifest.stage == "train"
        for name, details in manifest.content["details"].get("arms", {}).items()
    ]
    return sorted(lines, key=lambda line: line.arm.name)


def _line(arm: Arm, details: Mapping[str, Any], recipe: Mapping[str, Any] | None) -> TrainingLine:
    curve = details.get("curve") or {}
    return TrainingLine(
        arm=arm,
        method=details.get("method"),
        pairs=details.get("pairs"),
        updates=details.get("updates"),
        step0_loss=details.get("step0_loss"),
        known_loss=_known_loss(recipe) if recipe else None,
        losses=_known(curve.get("loss")),
        margins=_known(curve.get("rewards/margins")),
        differs_from_base=details.get("differs_from_base"),
        survives_bfloat16=details.get("changed_share_bfloat16"),
    )


def _known_loss(recipe: Mapping[str, Any]) -> float | None:
    method = METHODS[recipe["method"]]
    return method.first_loss(method.recipe.model_validate_json(json.dumps(recipe)))


def _known(values: Iterable[float | None] | None) -> list[float]:
    return [value for value in values or () if value is not None]
