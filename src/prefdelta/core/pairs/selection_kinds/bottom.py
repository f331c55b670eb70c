"""The pairs with the smallest sample deltas."""

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection


class Bottom(Selection):
    FORM = "bottom-<dimension>-<k>"
    ABOUT = "the k pairs with the smallest sample deltas on a dimension"
    CONTROL = DRAWS_TIES = True

    def candidates(self, pool: Pool) -> list[str]:
        """The pairs that have a delta."""
        return sorted(pool.deltas, key=lambda pair_id: (pool.deltas[pair_id], pool.tie(pair_id)))
