"""Stop a training at the first NaN or infinity, before its state is saved."""

import math
from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError
from prefdelta.store.snapshots import Snapshots

if TYPE_CHECKING:
    import torch


def check_numbers(step: int, snapshots: Snapshots, remedy: str, **numbers: float) -> None:
    """Raise StudyError if a number measured in a step is NaN or infinite. remedy: what to do about it."""
    if not all(map(math.isfinite, numbers.values())):
        measured = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in numbers.items())
        raise StudyError(f"{measured} at update {step}: training stops. {_kept(snapshots, remedy)}")


def check_weights(step: int, snapshots: Snapshots, remedy: str, model: "torch.nn.Module") -> None:
    """Raise StudyError if a weight is NaN or infinite after a step."""
    if not all(_own(parameter).isfinite().all() for parameter in model.parameters()):
        raise StudyError(
            f"weights are no longer finite after update {step}: training stops. {_kept(snapshots, remedy)}"
        )


def _own(parameter: "torch.Tensor") -> "torch.Tensor":
    """The part of a shared parameter that this process holds; the parameter itself if it is not shared."""
    own: torch.Tensor = parameter.to_local() if hasattr(parameter, "to_local") else parameter
    return own


def _kept(snapshots: Snapshots, remedy: str) -> str:
    if snapshots.last is None:
        kept = "No snapshot had been taken yet"
    else:
        kept = (
            f"The last good snapshot is kept ({snapshots.last}), but with the same settings training would go on from "
            "it to the same numbers"
        )
    return f"Nothing is published. {kept}. {remedy} With other settings it starts afresh."
