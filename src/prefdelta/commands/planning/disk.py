"""What the missing policies and replies take on disk, and what is free there."""

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from prefdelta.commands.planning.amounts import Amount, Basis, total
from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.commands.planning.work import Work
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import is_local
from prefdelta.core.recipes import Recipe
from prefdelta.hub import read_pins
from prefdelta.snapshots import KEPT
from prefdelta.stages.train import TrainSettings
from prefdelta.study import Study
from prefdelta.weights import open_weights

BYTES = {"float32": 4, "bfloat16": 2}
STATE = 3 * BYTES["float32"]  # bytes of a parameter in a snapshot: its weight and the optimiser's two means
PER_TOKEN = 4  # bytes of a token's text, in the record and again in the table: not less than what they take compressed


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes."""

    policies: Amount
    snapshots: Amount  # of the largest training, as long as it goes on: of each that goes on at the same time
    replies: Amount
    free: int

    @property
    def needed(self) -> Amount:
        return self.policies + self.snapshots + self.replies

    @property
    def fits(self) -> bool:
        return self.needed.value <= self.free


def disk_needed(study: Study, works: Iterable[tuple[PlannedJob, Work]]) -> Disk:
    policies, snapshots, tokens = [], [Amount(0)], []
    for job, work in works:
        if job.stage == "train" and work.missing.value:
            recipe: Recipe = TrainSettings.model_validate_json(job.settings).recipe
            weights = _parameters(study, job)
            policies.append(work.missing * weights * BYTES[recipe.save_dtype])
            snapshots.append(weights * (0 if recipe.lora else STATE * KEPT))
        elif job.stage not in ("train", "reference"):
            tokens.append(work.tokens)
    replies = total(tokens) * (2 * PER_TOKEN)
    return Disk(
        total(policies),
        max(snapshots, key=lambda one: one.value),
        Amount(replies.value, max(replies.basis, Basis.ASSUMED) if replies.value else replies.basis),
        shutil.disk_usage(_existing(Path(study.results))).free,
    )


def _parameters(study: Study, job: PlannedJob) -> Amount:
    """How many parameters the policy of a training has."""
    policy = job.name.split("/")[1]
    model = study.config.models[policy]
    try:
        if model.hub is None:
            return _in_folder(open_weights(job.inputs["weights"], None, job.record, only_look=True).folder)
        if is_local(model.hub):
            return _in_folder(Path(model.hub))
    except (StudyError, OSError, ValueError):
        return Amount(0, Basis.AT_LEAST)
    if pin := read_pins().models.get(model.hub):
        weights = sum(size for name, size in pin.files.items() if name.endswith(".safetensors"))
        return Amount(weights / BYTES["bfloat16"], Basis.ASSUMED)
    named = re.fullmatch(r"(\d+(?:\.\d+)?)b", model.size or "")
    return Amount(float(named[1]) * 1e9, Basis.ASSUMED) if named else Amount(0, Basis.AT_LEAST)


def _in_folder(folder: Path) -> Amount:
    """By the headers of its safetensors files."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        count += sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    return Amount(count) if count else Amount(0, Basis.AT_LEAST)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.absolute().parent)
