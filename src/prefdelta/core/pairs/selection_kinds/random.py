"""Pairs drawn at random: the control at equal budget."""

from typing import TYPE_CHECKING

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection

if TYPE_CHECKING:
    from prefdelta.core.pairs.selection_kinds.selection import Rows


class RandomPairs(Selection):
    FORM = "random-<k>-s<seed>"
    ABOUT = "k random pairs, drawn by a seed: the control at equal budget"
    BLIND = CONTROL = True

    @property
    def family(self) -> str:
        return f"{self.kind}-{self.k}"

    def candidates(self, pool: Pool) -> "Rows":
        return pool.eligible

    def take(self, candidates: "Rows", pool: Pool) -> "Rows":
        """Ordered by a separate hash.

        With the tie-breaking hash, `random` and `top` would share pairs more than by chance.
        """
        return candidates[pool.drawn(candidates, "random", self.seed).argsort(kind="stable")][: self.k]
