"""An annotation: what one person says of one pair of a sheet, on one dimension."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Annotation:
    """One row of `annotations/<study>/<sheet>.parquet`."""

    VERSION: ClassVar[int] = 2
    KEY: ClassVar[tuple[str, ...]] = ("annotator", "pair_id", "dimension")

    annotator: str
    pair_id: str
    dimension: str
    chosen_score: int  # 1 (worst) to 5 (best), on the judge's scale
    rejected_score: int
    texts: str  # digest of both texts, as the person read them: `Pair.texts` at the export
    note: str | None  # the person's remark on the pair, the same on all its dimensions
