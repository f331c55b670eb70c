"""Details in the manifest of train: the measurements of each arm's training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TrainedArm:
    updates: int | None = None
    rows: int | None = None  # KTO makes two per pair, the other methods one
    step0_loss: float | None = None  # nats, before the first update
    changed_share: float | None = None  # share of the saved weights that differ from the base's
    changed_share_bfloat16: float | None = None  # the same share if both are rounded to bfloat16
    # How much of the update is left if base and policy are loaded in 16 bits (see `training.saving.update_survival`).
    # None: nothing changed, or not measured.
    update_cosine_bfloat16: float | None = None  # cosine of what is left with the whole update
    update_cosine_float16: float | None = None
    update_share_bfloat16: float | None = None  # share of the changed weights that still differ
    update_share_float16: float | None = None
    # Per update `loss` (nats), `grad_norm`, `learning_rate` and other measurements of TRL.
    curve: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    processes: int | None = None
    differs_from_base: bool | None = None
    pairs: int | None = None  # number of pairs that were trained on
    left_out: Mapping[str, int] = field(default_factory=dict)  # reason -> number of pairs
    method: str | None = None  # dpo, kto, sft
    seconds: float | None = None  # time in this job; short if the policy was in the record


@dataclass(frozen=True, slots=True)
class TrainDetails:
    arms: Mapping[str, TrainedArm] = field(default_factory=dict)  # by name
