"""The pairs with the largest sample deltas."""

from prefdelta.core.pairs.selection_kinds.by_delta import ByDelta


class Top(ByDelta):
    FORM = "top-<dimension>-<k>"
    ABOUT = "the k pairs with the largest sample deltas on a dimension"

    def sort_key(self, value: float) -> float:
        return -value
