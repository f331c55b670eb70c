"""The pairs with the largest sample deltas."""

from prefdelta.core.pairs.selection_kinds.by_delta import ByDelta
from prefdelta.core.pairs.selection_kinds.by_value import Values


class Top(ByDelta):
    FORM = "top-<dimension>-<k>"
    ABOUT = "the k pairs with the largest sample deltas on a dimension"

    def sort_key(self, value: "Values") -> "Values":
        return -value
