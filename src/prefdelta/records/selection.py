"""A selected pair: one pair that an arm trains on."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class SelectedPair:
    """One row of `filter/<pairing>/<selection>/t<order>.parquet`, best rank first."""

    VERSION: ClassVar[int] = 1
    KEY: ClassVar[tuple[str, ...]] = ("rank",)

    pair_id: str
    rank: int  # from 0
    swapped: bool  # train with chosen and rejected exchanged
