"""The pairs with the best chosen or the worst rejected trace, to tell one side from the delta."""

from collections.abc import Mapping

from prefdelta.core.pairs.selection_kinds.by_value import ByValue
from prefdelta.core.pairs.selection_kinds.selection import Pool


class ByScore(ByValue):
    """A kind that goes by the score of one side. It takes from the pairs that have a delta, as `top` does."""

    DRAWS_TIES = True

    @property
    def draw(self) -> tuple[str, ...]:
        return self.kind, str(self.dimension)


class TopChosen(ByScore):
    FORM = "top-chosen-<dimension>-<k>"
    ABOUT = "the k pairs whose chosen traces have the highest scores on a dimension: is it the chosen side alone?"

    def values(self, pool: Pool) -> Mapping[str, float]:
        return {pair_id: row.chosen_score for pair_id, row in pool.deltas.items() if row.chosen_score is not None}

    def sort_key(self, value: float) -> float:
        return -value


class LowRejected(ByScore):
    FORM = "low-rejected-<dimension>-<k>"
    ABOUT = "the k pairs whose rejected traces have the lowest scores on a dimension: is it the rejected side alone?"

    def values(self, pool: Pool) -> Mapping[str, float]:
        return {pair_id: row.rejected_score for pair_id, row in pool.deltas.items() if row.rejected_score is not None}

    def sort_key(self, value: float) -> float:
        return value
