"""Overlaps of top sets, held against numbers made by hand, all orders of ties, and dimensions that are unrelated."""

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.overlap import DimensionOverlap, overlaps
from unit.rows import delta, pair

PAIRS = [pair(name) for name in "abcdef"]


def of(**dimensions: Sequence[float | None]):
    """Deltas by dimension, then by pair: of a, b, c, ..."""
    return {
        dimension: {row.pair_id: delta(row.pair_id, value) for row, value in zip(PAIRS, values, strict=True)}
        for dimension, values in dimensions.items()
    }


UNTIED = of(clarity=[6, 5, 4, 3, 2, 1], brevity=[6, 1, 5, 2, 3, 4], depth=[1, 2, 3, 4, 5, 6])


def test_without_ties_by_hand():
    found = {(one.k, one.first, one.second): one for one in overlaps(PAIRS, UNTIED, [2, 4])}
    assert list(found)[:3] == [(2, "clarity", "brevity"), (2, "clarity", "depth"), (2, "brevity", "depth")]
    assert found[2, "clarity", "brevity"].share == 0.5  # a b, a c
    assert found[2, "clarity", "depth"].shared == 0  # a b, f e
    assert found[4, "clarity", "brevity"].shared == 2  # a b c d, a c f e
    assert found[4, "clarity", "depth"].shared == 2  # a b c d, f e d c
    assert found[4, "brevity", "depth"].shared == 3  # a c f e, f e d c
    assert {one.drawn for one in found.values()} == {(0, 0)}
    # Two sets of 2 of 6 share 0, 1 or 2 with probabilities 6, 8, 1 of 15; two sets of 4 share 2, 3, 4 with the same.
    by_chance = found[2, "clarity", "depth"].chance
    assert (by_chance.value, by_chance.low, by_chance.high, by_chance.n) == (pytest.approx(2 / 6), 0, 1, 6)
    by_chance = found[4, "clarity", "depth"].chance
    assert (by_chance.value, by_chance.low, by_chance.high, by_chance.n) == (pytest.approx(4 / 6), 2 / 4, 1, 6)


def test_ties_by_hand():
    (found,) = overlaps(PAIRS, of(clarity=[2, 1, 1, 1, 0, 0], depth=[0, 2, 0, 0, 0, 0]), [3])
    # clarity: a, and 2 of b c d. depth: b, and 2 of a c d e f.
    assert found.drawn == (2 / 3, 2 / 3)
    assert found.shared == pytest.approx(2 / 5 + 2 / 3 + 2 * 2 / 3 * 2 / 5)  # a, b, c and d


def test_pairs_that_tie_but_are_all_taken_are_not_drawn():
    (found,) = overlaps(PAIRS, of(clarity=[2, 1, 1, 0, 0, 0], depth=[1, 1, 1, 0, 0, 0]), [3])
    assert (found.share, found.drawn) == (1, (0, 0))


def test_a_dimension_shares_its_whole_set_with_itself_but_not_what_is_drawn():
    values = [3, 2, 1, 0, -1, -2]
    (found,) = overlaps(PAIRS, of(clarity=values, again=values), [3])
    assert found.share == 1
    (found,) = overlaps(PAIRS, of(clarity=[0] * 6, again=[0] * 6), [3])
    assert (found.share, found.drawn) == (0.5, (1, 1))


def sets_of(values: Sequence[float | None], k: int) -> list[set[int]]:
    """The top-k sets of all orders of the ties."""
    orders = permutations(at for at, value in enumerate(values) if value is not None)
    return [set(order[:k]) for order in orders if [values[at] for at in order] == sorted(known(values), reverse=True)]


def known(values):
    return [value for value in values if value is not None]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([2, 1, 1, 0, 0, 0], [0, 1, 0, 1, 0, 2]),
        ([0, 0, 0, 0, 0, 1], [1, 1, 1, 1, -1, -1]),
        ([2, 1, 1, 1, None, 0], [1, None, 1, 0, 1, 0]),
    ],
)
def test_overlap_and_chance_are_those_of_all_orders(first, second, k):
    (found,) = overlaps(PAIRS, of(first=first, second=second), [k])
    of_orders = [len(one & other) for one, other in product(sets_of(first, k), sets_of(second, k))]
    assert found.shared == sum(of_orders) / len(of_orders)

    # By chance: the second one's deltas are permuted among the pairs that both have.
    both = [at for at in range(6) if first[at] is not None and second[at] is not None]
    shares = []
    for values in set(permutations(second[at] for at in both)):
        permuted = dict(zip(both, values, strict=True))
        moved = [permuted.get(at, second[at]) for at in range(6)]
        shares.append(overlaps(PAIRS, of(first=first, second=moved), [k])[0].share)
    shares.sort()
    n = len(shares)
    by_chance = found.chance
    assert (by_chance.value, by_chance.n) == (pytest.approx(sum(shares) / n), len(both))
    assert (by_chance.low, by_chance.high) == (shares[int(0.025 * n)], shares[int(np.ceil(0.975 * n)) - 1])


def test_only_pairs_that_both_dimensions_judged_can_be_shared():
    (found,) = overlaps(PAIRS, of(clarity=[6, 5, 4, 3, 2, 1], depth=[1, 2, 3, 4, None, None]), [2])
    assert found.shared == 0  # a b, d c
    # d and c fall on two of a b c d: both, one or none of a b, with probabilities 1, 4, 1 of 6.
    assert (found.chance.value, found.chance.low, found.chance.high, found.chance.n) == (0.5, 0, 1, 4)
    (found,) = overlaps(PAIRS, of(clarity=[1, 1, None, None, None, None], depth=[None, None, 1, 1, 0, 0]), [2])
    assert (found.shared, found.chance.value, found.chance.n) == (0, None, 0)


def test_pairs_outside_the_pool_are_in_no_set():
    pairs = [pair("a", pool=False), pair("b", eligible=False), *PAIRS[2:]]
    (found,) = overlaps(pairs, of(clarity=[2, 2, 1, 1, 0, 0], depth=[2, 2, 1, 1, 0, 0]), [2])
    assert (found.shared, found.drawn, found.chance.n) == (2, (0, 0), 4)


def test_too_few_pairs_are_an_error():
    with pytest.raises(StudyError, match="'top-clarity-7' asks for 7 pairs, but only 6 are eligible and judged"):
        overlaps(PAIRS, UNTIED, [2, 7])


N, K, STUDIES = 2_000, 500, 200
POOL = [pair(f"q{at}") for at in range(N)]


def unrelated(rng: np.random.Generator, zeros: float | None, unjudged: float) -> DimensionOverlap:
    """A study of two unrelated dimensions. zeros: the share of deltas that are 0; None: no two deltas are equal."""
    dimensions = {}
    for name in ("clarity", "depth"):
        values = rng.permutation(N) if zeros is None else rng.choice([-2, -1, 0, 1, 2], N, p=odds(zeros))
        judged = rng.random(N) >= unjudged
        rows = {value: delta("any", float(value)) for value in set(values.tolist())}
        dimensions[name] = {
            row.pair_id: rows[value] for row, value, kept in zip(POOL, values.tolist(), judged, strict=True) if kept
        }
    (found,) = overlaps(POOL, dimensions, [K])
    return found


def odds(zeros):
    return [(1 - zeros) / 4] * 2 + [zeros] + [(1 - zeros) / 4] * 2


@pytest.mark.parametrize(("zeros", "unjudged"), [(None, 0), (0.5, 0.2), (0.8, 0)])
def test_unrelated_dimensions_are_inside_the_range_by_chance(zeros, unjudged):
    rng = np.random.default_rng(1)
    studies = [unrelated(rng, zeros, unjudged) for _ in range(STUDIES)]
    inside = np.mean([one.chance.low <= one.share <= one.chance.high for one in studies])
    assert inside >= 0.93
    assert np.mean([one.share - one.chance.value for one in studies]) == pytest.approx(0, abs=0.003)
