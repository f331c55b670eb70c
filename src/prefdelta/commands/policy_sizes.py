"""How large policies and the snapshots of their trainings are on disk, as far as anything says beforehand.

What `prefdelta plan` and `prefdelta doctor` say of disk, both have from here.
"""

import re
from pathlib import Path

from prefdelta.core.hub import is_local
from prefdelta.core.recipes import Recipe
from prefdelta.models.repositories import read_pins, weight_files
from prefdelta.store.snapshots import KEPT
from prefdelta.study.study import Study

BYTES = {"float32": 4, "bfloat16": 2}  # of a parameter
_SNAPSHOT_BYTES = KEPT * 12  # of a trained parameter: its weight and the optimiser's two moments, in float32


def parameters(study: Study, policy: str) -> float | None:
    """About how many a policy has; None if nothing says."""
    model = study.config.models[policy]
    if model.ladder:
        return 12 * model.ladder.layers * model.ladder.width**2
    assert model.hub
    if is_local(model.hub):
        weights = [path.stat().st_size for path in weight_files(Path(model.hub))]
    else:
        pin = read_pins().models.get(model.hub)
        weights = [taken for file, taken in (pin.files if pin else {}).items() if file.endswith(".safetensors")]
    if weights:
        return sum(weights) / BYTES["bfloat16"]  # as models are published
    billions = re.fullmatch(r"(\d+(?:\.\d+)?)b", model.size or "")
    return float(billions[1]) * 1e9 if billions else None


def policy_bytes(study: Study, policy: str, recipe: Recipe) -> float | None:
    """Of a trained policy: a whole one, with LoRA too; None if nothing says how large it is."""
    count = parameters(study, policy)
    return None if count is None else count * BYTES[recipe.save_dtype]


def snapshot_bytes(study: Study, policy: str, recipe: Recipe) -> float | None:
    """Of a training's snapshots, as long as it goes on; None if nothing says how large the policy is.

    With LoRA they hold adapters alone: rank x (inputs + outputs) of each matrix. Nothing says here how wide a model is;
    that all its matrices are square, and 2 x parameters^(1/3) wide, is a guess, and gives rather too much.
    """
    count = parameters(study, policy)
    if count is not None and recipe.lora is not None:
        count = min(count, recipe.lora.rank * count ** (2 / 3))
    return None if count is None else count * _SNAPSHOT_BYTES


def existing(path: Path) -> Path:
    """The folder, or the first above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
