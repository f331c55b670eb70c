"""The pairs with the smallest sample deltas."""

from prefdelta.core.pairs.selection_kinds.by_delta import ByDelta
from prefdelta.core.pairs.selection_kinds.by_value import Values


class Bottom(ByDelta):
    FORM = "bottom-<dimension>-<k>"
    ABOUT = "the k pairs with the smallest sample deltas on a dimension"
    CONTROL = True

    def sort_key(self, value: "Values") -> "Values":
        return value
