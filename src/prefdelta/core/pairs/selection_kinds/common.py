"""The prompts that the pairings of a set share: pairings in one figure are compared on them, at equal n."""

from collections.abc import Iterable

from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection
from prefdelta.records.pair import Pair


class Common(Selection):
    FORM = "common-<set>"
    ABOUT = "the pairs of the prompts that are eligible in every pairing of a set that `filter.sets` names"
    BLIND = True

    def candidates(self, pool: Pool) -> list[str]:
        """Ordered by prompt, so that every pairing of the set takes the same prompts."""
        shared = [pair for pair in pool.eligible.values() if pair.prompt_id in pool.common]
        shared.sort(key=lambda pair: pool.tie(pair.prompt_id))
        return [pair.pair_id for pair in shared[: pool.limit]]


def common_prompts(pairings: Iterable[Iterable[Pair]]) -> set[str]:
    """The prompts whose pool pair is eligible in all of the pairings."""
    sets = [{pair.prompt_id for pair in pairs if pair.pool and pair.eligible} for pairs in pairings]
    return set.intersection(*sets) if sets else set()
