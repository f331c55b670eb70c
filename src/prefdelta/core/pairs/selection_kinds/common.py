"""The prompts that the pairings of a set share: pairings in one figure are compared on them, at equal n."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prefdelta.core.pairs.joining import column
from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection

if TYPE_CHECKING:
    import pyarrow as pa

    from prefdelta.core.pairs.selection_kinds.selection import Rows


class Common(Selection):
    FORM = "common-<set>"
    ABOUT = "the pairs of the prompts that are eligible in every pairing of a set that `filter.sets` names"
    BLIND = True
    NEEDS = ("prompt_id",)

    def candidates(self, pool: Pool) -> "Rows":
        import pyarrow as pa
        import pyarrow.compute as pc

        prompts = column(pool.pairs, "prompt_id").take(pa.array(pool.eligible))
        shared = pc.is_in(prompts, value_set=pa.array(pool.common, pa.string()))
        rows: Rows = pool.eligible[shared.to_numpy(zero_copy_only=False)]
        return rows

    def take(self, candidates: "Rows", pool: Pool) -> "Rows":
        """Ordered by prompt, so that every pairing of the set takes the same prompts."""
        return candidates[pool.ties(candidates, by="prompt_id").argsort(kind="stable")][: pool.limit]


def common_prompts(pairings: "Iterable[pa.Table]") -> "pa.Array":
    """The prompts whose pool pair is eligible in all of the pairings. pairings: prompt_id, pool, eligible of Pair."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shared = None
    for pairs in pairings:
        prompts = column(pairs.filter(pc.and_(pairs.column("pool"), pairs.column("eligible"))), "prompt_id")
        shared = prompts if shared is None else shared.filter(pc.is_in(shared, value_set=prompts))
    return pa.array([], pa.string()) if shared is None else shared
