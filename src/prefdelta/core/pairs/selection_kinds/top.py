"""The pairs with the largest sample deltas."""

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection


class Top(Selection):
    FORM = "top-<dimension>-<k>"
    ABOUT = "the k pairs with the largest sample deltas on a dimension"
    DRAWS_TIES = True

    def candidates(self, pool: Pool) -> list[str]:
        """The pairs that have a delta."""
        return sorted(pool.deltas, key=lambda pair_id: (-pool.deltas[pair_id], pool.tie(pair_id)))
