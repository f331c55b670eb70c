"""What the selections by delta share."""

from collections.abc import Mapping

from prefdelta.core.pairs.selection_kinds.by_value import ByValue
from prefdelta.core.pairs.selection_kinds.selection import Pool


class ByDelta(ByValue):
    """A kind that takes the k pairs with the best deltas on a dimension."""

    DRAWS_TIES = True

    def values(self, pool: Pool) -> Mapping[str, float]:
        return {pair_id: row.delta for pair_id, row in pool.deltas.items() if row.delta is not None}
