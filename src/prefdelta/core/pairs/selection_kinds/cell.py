"""The pairs of one correctness cell (paper, experiment 3)."""

from typing import TYPE_CHECKING

from prefdelta.core.pairs.joining import column
from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection

if TYPE_CHECKING:
    from prefdelta.core.pairs.selection_kinds.selection import Rows

CELLS = ("right-right", "right-wrong", "wrong-right", "wrong-wrong")


class CorrectnessCell(Selection):
    FORM = "cell-<right|wrong>-<right|wrong>"
    ABOUT = "chosen and rejected by correctness, on the prompts for which all four cells exist"
    NEEDS = ("prompt_id", "cell")

    @property
    def label(self) -> str:
        chosen, _, rejected = str(self.cell).partition("-")
        return f"{chosen} over {rejected}"

    def candidates(self, pool: Pool) -> "Rows":
        """One per prompt that has an eligible pair in all four cells, so that all cells have the same prompts."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        cell = pc.index_in(column(pool.pairs, "cell"), value_set=pa.array(CELLS)).fill_null(-1).to_numpy()
        rows = np.flatnonzero((cell >= 0) & column(pool.pairs, "eligible").to_numpy(zero_copy_only=False))
        prompts = column(pool.pairs, "prompt_id").take(pa.array(rows)).dictionary_encode()
        of_cells = np.full((len(prompts.dictionary), len(CELLS)), -1)
        of_cells[prompts.indices.to_numpy(), cell[rows]] = rows
        whole = (of_cells >= 0).all(axis=1)
        return of_cells[whole, CELLS.index(str(self.cell))]

    def take(self, candidates: "Rows", pool: Pool) -> "Rows":
        """Ordered by prompt, so that all cells take the same prompts."""
        return candidates[pool.ties(candidates, by="prompt_id").argsort(kind="stable")][: pool.limit]
