"""Pairs drawn at random: the control at equal budget."""

from prefdelta.core.ids import fraction
from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection


class RandomPairs(Selection):
    FORM = "random-<k>-s<seed>"
    ABOUT = "k random pairs, drawn by a seed: the control at equal budget"
    BLIND = CONTROL = True

    @property
    def family(self) -> str:
        return f"{self.kind}-{self.k}"

    def candidates(self, pool: Pool) -> list[str]:
        """Ordered by a separate hash.

        With the tie-breaking hash, `random` and `top` would share pairs more than by chance.
        """
        return sorted(pool.eligible, key=lambda pair_id: fraction("random", self.seed, pair_id))
