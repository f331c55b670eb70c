"""A pair: two traces of one prompt, one chosen and one rejected. Ids only: no text, no deltas."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of `pair/<chosen>~<rejected>.parquet`. A pair that is not eligible is never trained on."""

    VERSION: ClassVar[int] = 3
    KEY: ClassVar[tuple[str, ...]] = ("pair_id",)

    pair_id: str  # hash of prompt, both generators and both samples
    prompt_id: str
    chosen_sample: int | None  # None: that side has no usable trace
    rejected_sample: int | None
    pool: bool  # whether it is the one pair of its prompt in the pool
    cell: str | None  # "right-wrong" = chosen right, rejected wrong; None: a side is not graded
    chosen_tokens: int | None  # as its generator counts; None: not counted, for example in a data set
    rejected_tokens: int | None
    chosen_correct: bool | None
    rejected_correct: bool | None
    eligible: bool
    reason: str | None  # why it is not eligible: "chosen_truncated", "identical", ...
    chosen_characters: int | None = None  # None: that side has no usable trace
    rejected_characters: int | None = None
    texts: str | None = None  # digest of both texts; None: a side has no usable trace
