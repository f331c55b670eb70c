"""Overlap: how many pairs the top-k sets of two dimensions share (paper, experiment 5).

If it is much larger than by chance, the two dimensions are the same thing as far as filtering goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from prefdelta.core.pairs.selection_kinds.top import Top
from prefdelta.core.pairs.selections import select
from prefdelta.core.statistics import Estimate, chance_overlap
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair


@dataclass(frozen=True, slots=True)
class DimensionOverlap:
    """Two dimensions at one k."""

    k: int
    first: str
    second: str
    shared: int  # pairs in both sets
    chance: Estimate  # share (0 to 1) that unrelated sets would have, with the range of 95% of such sets

    @property
    def share(self) -> float:
        return self.shared / self.k


def overlaps(
    pairs: Sequence[Pair], deltas: Mapping[str, Mapping[str, Delta]], ks: Sequence[int], tie_seed: int
) -> list[DimensionOverlap]:
    """The overlap of every two dimensions at every k, in the orders given.

    pairs: of one pairing. deltas: by dimension, then by pair_id. tie_seed: that of the filter stage, so that the sets
    are those that arms train on. Raises StudyError if a dimension has fewer than k pairs.
    """
    if not ks:
        return []
    eligible = {pair.pair_id for pair in pairs if pair.pool and pair.eligible}
    judged = {
        dimension: {pair_id for pair_id, row in rows.items() if row.delta is not None} & eligible
        for dimension, rows in deltas.items()
    }
    # A smaller top set is the beginning of a larger one.
    ranked = {
        dimension: [taken.pair_id for taken in select(Top.of(dimension=dimension, k=max(ks)), pairs, rows, tie_seed)]
        for dimension, rows in deltas.items()
    }
    pairs_of_dimensions = []
    for k in ks:
        for first, second in combinations(deltas, 2):
            shared = len(set(ranked[first][:k]) & set(ranked[second][:k]))
            sizes = (len(judged[first]), len(judged[second]), len(judged[first] & judged[second]))
            pairs_of_dimensions.append(DimensionOverlap(k, first, second, shared, chance_overlap(k, *sizes)))
    return pairs_of_dimensions
