import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.overlap import overlaps
from prefdelta.core.pairs.selections import parse_selection, select
from prefdelta.core.statistics import chance_overlap
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair


def pair(name):
    return Pair(name, f"p-{name}", 0, 0, True, "right-wrong", 9, 9, True, False, True, None)


def delta(name, gap):
    return Delta(name, None, None, gap, None if gap is not None else "chosen_unjudged")


PAIRS = [pair(name) for name in "abcdef"]
DELTAS = {
    "clarity": {name: delta(name, gap) for name, gap in zip("abcdef", [6.0, 5.0, 4.0, 3.0, 2.0, 1.0], strict=True)},
    "brevity": {name: delta(name, gap) for name, gap in zip("abcdef", [6.0, 1.0, 5.0, 2.0, 3.0, 4.0], strict=True)},
    "depth": {name: delta(name, gap) for name, gap in zip("abcdef", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], strict=True)},
}


def test_by_hand():
    found = {(one.k, one.first, one.second): one for one in overlaps(PAIRS, DELTAS, [2, 4], 0)}
    assert list(found)[:3] == [(2, "clarity", "brevity"), (2, "clarity", "depth"), (2, "brevity", "depth")]
    assert found[2, "clarity", "brevity"].share == 0.5  # a b, a c
    assert found[2, "clarity", "depth"].shared == 0  # a b, f e
    assert found[4, "clarity", "brevity"].shared == 2  # a b c d, a c f e
    assert found[4, "clarity", "depth"].shared == 2  # a b c d, f e d c
    assert found[4, "brevity", "depth"].shared == 3  # a c f e, f e d c
    assert found[2, "clarity", "depth"].chance.value == pytest.approx(2 / 6)
    assert found[4, "clarity", "depth"].chance.value == pytest.approx(4 / 6)


def test_ties_are_ordered_as_the_arms_that_train_on_them():
    tied = {name: {row: delta(row, 1.0) for row in "abcdef"} for name in ("clarity", "depth")}
    top, other = (
        {row.pair_id for row in select(parse_selection(f"top-{name}-3"), PAIRS, tied[name], 5)} for name in tied
    )
    (found,) = overlaps(PAIRS, tied, [3], 5)
    assert found.shared == len(top & other)
    half = {name: delta(name, 2.0 if name in top else 1.0) for name in "abcdef"}
    (found,) = overlaps(PAIRS, {"clarity": tied["clarity"], "depth": half}, [3], 5)
    assert found.shared == 3


def test_pairs_that_only_one_dimension_judged_lower_what_chance_gives():
    partly = DELTAS["depth"] | {"f": delta("f", None), "e": delta("e", None)}
    (found,) = overlaps(PAIRS, {"clarity": DELTAS["clarity"], "depth": partly}, [2], 0)
    assert found.shared == 0  # a b, d c
    assert found.chance.value == pytest.approx(2 * 4 / (6 * 4))
    assert found.chance.n == 4


def test_too_few_pairs_are_an_error():
    with pytest.raises(StudyError, match="asks for 7 pairs"):
        overlaps(PAIRS, DELTAS, [7], 0)


def test_chance_holds_what_unrelated_sets_share():
    found = chance_overlap(50, 100, 100, 100)
    assert found.value == 0.5
    assert 0.38 <= found.low < 0.5 < found.high <= 0.62
