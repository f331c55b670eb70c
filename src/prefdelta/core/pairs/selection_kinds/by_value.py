"""What the selections by a value share: the best pairs first, equal ones in an order that is drawn."""

from abc import abstractmethod
from collections.abc import Mapping

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection


class ByValue(Selection):
    """A kind that takes the k pairs that are best by one number."""

    @abstractmethod
    def values(self, pool: Pool) -> Mapping[str, float]:
        """The number of each pair that has one, by pair_id."""

    @abstractmethod
    def sort_key(self, value: float) -> float:
        """Pairs are taken from the smallest to the largest; equal ones are ties."""

    def candidates(self, pool: Pool) -> list[str]:
        """The pairs that have a value."""
        values = self.values(pool)
        return sorted(values, key=lambda pair_id: (self.sort_key(values[pair_id]), pool.tie(pair_id)))
