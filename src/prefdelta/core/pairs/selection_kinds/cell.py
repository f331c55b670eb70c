"""The pairs of one correctness cell (paper, experiment 3)."""

from itertools import groupby

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection

N_CELLS = 4


class CorrectnessCell(Selection):
    FORM = "cell-<right|wrong>-<right|wrong>"
    ABOUT = "chosen and rejected by correctness, on the prompts for which all four cells exist"

    @property
    def label(self) -> str:
        chosen, _, rejected = str(self.cell).partition("-")
        return f"{chosen} over {rejected}"

    def candidates(self, pool: Pool) -> list[str]:
        """One per prompt that has an eligible pair in all four cells, so that all cells have the same prompts."""
        rows = sorted((pair for pair in pool.pairs if pair.eligible and pair.cell), key=lambda pair: pair.prompt_id)
        pair_ids: dict[str, str] = {}  # by prompt_id
        for prompt_id, of_prompt in groupby(rows, key=lambda pair: pair.prompt_id):
            by_cell = {pair.cell: pair.pair_id for pair in of_prompt}
            if len(by_cell) == N_CELLS:
                pair_ids[prompt_id] = by_cell[self.cell]
        return [pair_ids[prompt_id] for prompt_id in sorted(pair_ids, key=pool.tie)[: pool.limit]]
