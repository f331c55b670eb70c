"""The pairs with the best chosen or the worst rejected trace, to tell one side from the delta."""

from typing import TYPE_CHECKING

from prefdelta.core.pairs.selection_kinds.by_value import ByValue, Values
from prefdelta.core.pairs.selection_kinds.selection import Pool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ByScore(ByValue):
    """A kind that goes by the score of one side. It takes from the pairs that have a delta, as `top` does."""

    DRAWS_TIES = True

    @property
    def draw(self) -> tuple[str, ...]:
        return self.kind, str(self.dimension)


class TopChosen(ByScore):
    FORM = "top-chosen-<dimension>-<k>"
    ABOUT = "the k pairs whose chosen traces have the highest scores on a dimension: is it the chosen side alone?"

    def sort_key(self, value: "Values") -> "Values":
        return -value

    def values(self, pool: Pool) -> "NDArray[np.float64]":
        return pool.deltas["chosen_score"]


class LowRejected(ByScore):
    FORM = "low-rejected-<dimension>-<k>"
    ABOUT = "the k pairs whose rejected traces have the lowest scores on a dimension: is it the rejected side alone?"

    def sort_key(self, value: "Values") -> "Values":
        return value

    def values(self, pool: Pool) -> "NDArray[np.float64]":
        return pool.deltas["rejected_score"]
