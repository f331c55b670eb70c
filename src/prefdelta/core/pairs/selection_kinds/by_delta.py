"""What the selections by delta share: the best deltas first, equal ones in an order that is drawn."""

from abc import abstractmethod

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection


class ByDelta(Selection):
    """A kind that takes the k pairs with the best deltas on a dimension."""

    DRAWS_TIES = True

    @abstractmethod
    def sort_key(self, delta: float) -> float:
        """Pairs are taken from the smallest to the largest; equal ones are ties."""

    def candidates(self, pool: Pool) -> list[str]:
        """The pairs that have a delta."""
        return sorted(pool.deltas, key=lambda pair_id: (self.sort_key(pool.deltas[pair_id]), pool.tie(pair_id)))
