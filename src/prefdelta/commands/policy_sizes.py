"""How large policies and the snapshots of their trainings will be on disk, as far as it can be known in advance."""

import re
from pathlib import Path

from prefdelta.core.hub import is_local
from prefdelta.core.recipes import Recipe
from prefdelta.models.repositories import read_pins, weight_files
from prefdelta.store.snapshots import KEPT
from prefdelta.study.study import Study

BYTES = {"float32": 4, "bfloat16": 2}  # per parameter
_SNAPSHOT_BYTES = KEPT * 12  # per trained parameter: its weight and the optimiser's two moments, in float32


def parameters(study: Study, policy: str) -> float | None:
    """About how many parameters a policy has; None if it is not known."""
    model = study.config.models[policy]
    if model.ladder:
        return 12 * model.ladder.layers * model.ladder.width**2
    assert model.hub
    if is_local(model.hub):
        weights = [path.stat().st_size for path in weight_files(Path(model.hub))]
    else:
        pin = read_pins().models.get(model.hub)
        weights = [size for file, size in (pin.files if pin else {}).items() if file.endswith(".safetensors")]
    if weights:
        return sum(weights) / BYTES["bfloat16"]  # models are published in it
    billions = re.fullmatch(r"(\d+(?:\.\d+)?)b", model.size or "")
    return float(billions[1]) * 1e9 if billions else None


def policy_bytes(study: Study, policy: str, recipe: Recipe) -> float | None:
    """The size of a trained policy (with LoRA, too, it is whole); None if its number of parameters is not known."""
    count = parameters(study, policy)
    return None if count is None else count * BYTES[recipe.save_dtype]


def snapshot_bytes(study: Study, policy: str, recipe: Recipe) -> float | None:
    """The size of a training's snapshots while it goes on; None if the number of parameters is not known.

    With LoRA they hold the adapters alone: rank x (inputs + outputs) of each matrix. A model's width is not known here.
    The guess is that all its matrices are square and 2 x parameters^(1/3) wide, which tends to overestimate.
    """
    count = parameters(study, policy)
    if count is not None and recipe.lora is not None:
        count = min(count, recipe.lora.rank * count ** (2 / 3))
    return None if count is None else count * _SNAPSHOT_BYTES


def existing(path: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
