"""All pairs."""

from typing import TYPE_CHECKING

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection

if TYPE_CHECKING:
    from prefdelta.core.pairs.selection_kinds.selection import Rows


class All(Selection):
    FORM = "all"
    ABOUT = "all pairs"
    BLIND = CONTROL = True

    def candidates(self, pool: Pool) -> "Rows":
        return pool.eligible

    def take(self, candidates: "Rows", pool: Pool) -> "Rows":
        return candidates[pool.ties(candidates).argsort(kind="stable")]
