"""What the selections by a value share: the best pairs first, equal ones in an order that is drawn."""

from abc import abstractmethod
from typing import TYPE_CHECKING, TypeVar

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection
from prefdelta.records.details.filter import TieCounts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from prefdelta.core.pairs.selection_kinds.selection import Rows

Values = TypeVar("Values", float, "NDArray[np.float64]")


class ByValue(Selection):
    """A kind that takes the k pairs that are best by one number."""

    @abstractmethod
    def values(self, pool: Pool) -> "NDArray[np.float64]":
        """The number of each of the pool's pairs; NaN for one that has none."""

    @abstractmethod
    def sort_key(self, value: "Values") -> "Values":
        """Pairs are taken from the smallest to the largest; equal ones are ties. Of one value, or of an array."""

    def candidates(self, pool: Pool) -> "Rows":
        """The pairs that have a value."""
        import numpy as np

        return pool.eligible[~np.isnan(self.values(pool)[pool.eligible])]

    def take(self, candidates: "Rows", pool: Pool) -> "Rows":
        assert self.k is not None
        return pool.best(candidates, self.sort_key(self.values(pool)[candidates]), self.k)

    def count_ties(self, candidates: "Rows", pool: Pool) -> TieCounts:
        """How much is drawn among ties. There are at least k candidates."""
        import numpy as np

        assert self.k is not None
        values = self.values(pool)[candidates]
        keys = self.sort_key(values)
        cut = np.partition(keys, self.k - 1)[self.k - 1]
        above, tied = int((keys < cut).sum()), int((keys == cut).sum())
        taken = self.k - above
        value = float(values[keys == cut][0])
        return TieCounts(self.k, value, above, tied, drawn=taken if taken < tied else 0)
