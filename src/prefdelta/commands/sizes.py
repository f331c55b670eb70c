"""How large policies and the snapshots of their trainings are on disk, as far as anything says beforehand."""

import re
from pathlib import Path

from prefdelta.core.hub import is_local
from prefdelta.hub import read_pins, weight_files
from prefdelta.snapshots import KEPT
from prefdelta.study import Study

BYTES = {"float32": 4, "bfloat16": 2}  # of a parameter
SNAPSHOT_BYTES = KEPT * 12  # of a parameter: its weight and the optimiser's two moments, in float32


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


def existing(path: Path) -> Path:
    """The folder, or the first above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
