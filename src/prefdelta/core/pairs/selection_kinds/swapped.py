"""All pairs, exchanged: the control that must hurt."""

from prefdelta.core.pairs.selection_kinds.all import All


class Swapped(All):
    FORM = "swapped"
    ABOUT = "all pairs, chosen and rejected exchanged: a control that must hurt"
    SWAPS = True
