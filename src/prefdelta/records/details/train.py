"""What the manifest of train says: what was measured of each arm's training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TrainedArm:
    updates: int | None = None
    rows: int | None = None  # KTO makes two of a pair, the other methods one
    step0_loss: float | None = None  # nats, before the first update
    changed_share: float | None = None  # of the weights that differ from the base's, as saved
    changed_share_bfloat16: float | None = None  # the same once both are rounded to bfloat16
    # Per update `loss` (nats), `grad_norm`, `learning_rate` and what else TRL measures of the batch.
    curve: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    processes: int | None = None
    differs_from_base: bool | None = None
    pairs: int | None = None  # trained on
    left_out: Mapping[str, int] = field(default_factory=dict)  # reason -> pairs
    method: str | None = None  # dpo, kto, sft
    seconds: float | None = None  # the time it took in this job: little, where the policy was in the record


@dataclass(frozen=True, slots=True)
class TrainDetails:
    arms: Mapping[str, TrainedArm] = field(default_factory=dict)  # by name
