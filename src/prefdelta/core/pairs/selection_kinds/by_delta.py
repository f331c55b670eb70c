"""What the selections by delta share."""

from typing import TYPE_CHECKING

from prefdelta.core.pairs.selection_kinds.by_value import ByValue
from prefdelta.core.pairs.selection_kinds.selection import Pool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ByDelta(ByValue):
    """A kind that takes the k pairs with the best deltas on a dimension."""

    DRAWS_TIES = True

    def values(self, pool: Pool) -> "NDArray[np.float64]":
        return pool.deltas["delta"]
