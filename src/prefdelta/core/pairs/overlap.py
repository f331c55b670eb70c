"""Overlap: how many pairs the top-k sets of two dimensions share (paper, experiment 5).

If it is much larger than by chance, the two dimensions are the same thing as far as filtering goes.

Many pairs have equal deltas, so a top-k set is all pairs above the cut and a draw among those that tie at it. The draws
of two dimensions are independent. The overlap is its expectation over these draws, and so is the overlap by chance.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import LEVEL, NOTHING, Estimate
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair

if TYPE_CHECKING:
    import numpy as np

_TABLES = 10_000  # tables behind a range by chance: all of them if they are not more, else a draw of so many


@dataclass(frozen=True, slots=True)
class DimensionOverlap:
    """Two dimensions at one k."""

    k: int
    first: str
    second: str
    shared: float  # pairs in both sets: the expectation over the draws among ties
    share: float  # 0 to 1: shared / k
    drawn: tuple[float, float]  # share (0 to 1) of the first and of the second set that is drawn among ties
    chance: Estimate  # share that unrelated deltas with the same ties would have, with the range of 95% of them


@dataclass(frozen=True, slots=True)
class _TopSet:
    """The k pairs with the largest deltas on a dimension."""

    above: AbstractSet[str]  # the pairs that are in the set in any case
    tied: AbstractSet[str]  # the pairs from which the others are drawn
    drawn: int  # how many of the tied pairs are in the set, fewer than all

    @property
    def scale(self) -> int:
        """A pair's chance of being in the set, times this, is a whole number."""
        return len(self.tied) or 1

    @property
    def chances(self) -> list[int]:
        """The chance of a pair above the cut, at it and below it, times `scale`."""
        return [self.scale, self.drawn, 0]

    def strata(self, pairs: AbstractSet[str]) -> list[AbstractSet[str]]:
        """Those of the pairs that are above the cut, at it and below it."""
        return [self.above & pairs, self.tied & pairs, pairs - self.above - self.tied]


def overlaps(
    pairs: Sequence[Pair], deltas: Mapping[str, Mapping[str, Delta]], ks: Sequence[int]
) -> list[DimensionOverlap]:
    """The overlap of every two dimensions at every k, in the orders given.

    pairs: of one pairing; the eligible pool pairs count. deltas: by dimension, then by pair_id.
    Raises StudyError if a dimension has fewer than k pairs.
    """
    eligible = {pair.pair_id for pair in pairs if pair.pool and pair.eligible}
    judged = {
        dimension: {
            pair_id: row.delta for pair_id, row in rows.items() if row.delta is not None and pair_id in eligible
        }
        for dimension, rows in deltas.items()
    }
    found = []
    for k in ks:
        sets = {dimension: _top_set(dimension, known, k) for dimension, known in judged.items()}
        for first, second in combinations(judged, 2):
            both = judged[first].keys() & judged[second].keys()
            found.append(_overlap(k, (first, second), (sets[first], sets[second]), both))
    return found


def overlap_between(
    k: int, first: tuple[str, Mapping[str, float]], second: tuple[str, Mapping[str, float]]
) -> DimensionOverlap:
    """The overlap of two top-k sets. first, second: a name, and the delta of each pair that can be in the set.

    Raises StudyError if one has fewer than k pairs.
    """
    (one, deltas), (other, others) = first, second
    sets = (_top_set(one, deltas, k), _top_set(other, others, k))
    return _overlap(k, (one, other), sets, deltas.keys() & others.keys())


def top_chances(name: str, deltas: Mapping[str, float], k: int) -> dict[str, float]:
    """Each pair's chance of being among the k with the largest deltas, over the orders of equal ones.

    Raises StudyError if there are fewer than k pairs.
    """
    top = _top_set(name, deltas, k)
    return {pair: 1.0 if pair in top.above else top.drawn / top.scale if pair in top.tied else 0.0 for pair in deltas}


def _top_set(dimension: str, deltas: Mapping[str, float], k: int) -> _TopSet:
    if k > len(deltas):
        raise StudyError(
            f"selection 'top-{dimension}-{k}' asks for {k} pairs, but only {len(deltas)} are eligible and judged. "
            "Lower k, or add prompts."
        )
    cut = sorted(deltas.values(), reverse=True)[k - 1]
    above = {pair_id for pair_id, delta in deltas.items() if delta > cut}
    tied = {pair_id for pair_id, delta in deltas.items() if delta == cut}
    drawn = k - len(above)
    return _TopSet(above, tied, drawn) if drawn < len(tied) else _TopSet(above | tied, set(), 0)


def _overlap(
    k: int, dimensions: tuple[str, str], sets: tuple[_TopSet, _TopSet], both: AbstractSet[str]
) -> DimensionOverlap:
    """both: the pairs that are judged on both dimensions."""
    import numpy as np

    first, second = sets
    # How many pairs are in each of the first set's strata (rows) and each of the second's (columns).
    table = np.array([[len(row & column) for column in second.strata(both)] for row in first.strata(both)])
    # A pair's chance of being in both sets is the product of its chances. Whole numbers, so that sums are exact.
    chances = np.outer(first.chances, second.chances)
    scale = first.scale * second.scale
    shared = int((table * chances).sum())
    return DimensionOverlap(
        k=k,
        first=dimensions[0],
        second=dimensions[1],
        shared=shared / scale,
        share=shared / (scale * k),
        drawn=(first.drawn / k, second.drawn / k),
        chance=_chance(table.sum(axis=1), table.sum(axis=0), chances, scale * k),
    )


def _chance(rows: "np.ndarray", columns: "np.ndarray", chances: "np.ndarray", whole: int) -> Estimate:
    """What the share would be if the second dimension's deltas were a random permutation of themselves.

    They are permuted among the pairs that are judged on both dimensions: no other pair can be in both sets. Then the
    table of strata is multivariate hypergeometric, given its sums. The mean is exact. The range is that of all tables
    if they are at most 10,000 (always without ties and with k < 10,000), else of 10,000 drawn ones (fixed seed).
    rows, columns: the table's sums, 3 each. chances: 3 x 3, of a pair to be in both sets, in units of 1 / scale.
    whole: scale * k.
    """
    import numpy as np

    n = int(rows.sum())
    if n == 0:
        return NOTHING
    mean = float(rows @ chances @ columns.astype(float)) / (n * whole)
    tables, weights = _tables(rows, columns)
    shared = (tables * chances).sum(axis=(1, 2))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(shared, [tail, 1 - tail], weights=weights, method="inverted_cdf")
    return Estimate(mean, float(low) / whole, float(high) / whole, n)


def _tables(rows: "np.ndarray", columns: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """Tables (any number x 3 x 3) with these sums, and the probability of each."""
    import numpy as np
    from scipy.stats import random_table

    law = random_table(rows, columns)
    sizes = (np.minimum.outer(rows[:2], columns[:2]) + 1).ravel().tolist()
    if prod(sizes) > _TABLES:
        return law.rvs(_TABLES, random_state=0), np.full(_TABLES, 1 / _TABLES)
    corner = np.indices(sizes).reshape(4, -1).T.reshape(-1, 2, 2)  # the other cells follow from the sums
    upper = np.concatenate([corner, rows[:2, None] - corner.sum(axis=2, keepdims=True)], axis=2)
    tables = np.concatenate([upper, columns - upper.sum(axis=1, keepdims=True)], axis=1)
    tables = tables[(tables >= 0).all(axis=(1, 2))]
    return tables, law.pmf(tables)
