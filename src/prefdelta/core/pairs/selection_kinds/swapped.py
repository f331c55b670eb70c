"""All pairs, or those of a common set, with the sides exchanged."""

from prefdelta.core.pairs.selection_kinds.all import All
from prefdelta.core.pairs.selection_kinds.common import Common


class Swapped(All):
    FORM = "swapped"
    ABOUT = "all pairs, chosen and rejected exchanged: a control that must hurt"
    SWAPS = True


class SwappedCommon(Common):
    FORM = "swapped-<set>"
    ABOUT = "the pairs of `common-<set>`, chosen and rejected exchanged: without a delta, this must change nothing"
    SWAPS = True
