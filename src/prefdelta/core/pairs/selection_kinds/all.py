"""All pairs."""

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection


class All(Selection):
    FORM = "all"
    ABOUT = "all pairs"
    BLIND = CONTROL = True

    def candidates(self, pool: Pool) -> list[str]:
        return sorted(pool.eligible, key=pool.tie)
