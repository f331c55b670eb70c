import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.errors import StudyError
from prefdelta.core.selections import Selection, parse_selection, select
from unit.rows import delta, pair

IDS = [f"pair{index:02d}" for index in range(20)]
PAIRS = [pair(name) for name in IDS]


def ids(name, pairs=PAIRS, deltas=(), tie_seed=0):
    rows = select(parse_selection(name), pairs, {row.pair_id: row for row in deltas}, tie_seed)
    return [row.pair_id for row in rows]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("all", ("all", None, None, None)),
        ("swapped", ("swapped", None, None, None)),
        ("top-mean-1", ("top", "mean", 1, None)),
        ("top-step_coherence-400", ("top", "step_coherence", 400, None)),
        ("top-d2-10", ("top", "d2", 10, None)),
        ("random-400-s0", ("random", None, 400, 0)),
        ("random-7-s12", ("random", None, 7, 12)),
    ],
)
def test_a_known_form_is_read(name, parts):
    assert parse_selection(name) == Selection(name, *parts)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "All",
        "all ",
        "all\n",
        "all-5",
        "top-mean",
        "top-mean-0",
        "top-mean--5",
        "top-mean-05",  # another name of top-mean-5 would be another arm
        "top-mean-5.0",
        "top-Mean-5",
        "top--5",
        "top-5",
        "top-mean-5-s0",
        "random-5",
        "random-5-0",
        "random-0-s0",
        "random-5-s",
        "random-5-s01",
        "random-5-s-1",
        "random-٥-s0",  # a digit, but not one of ours
        "../all",
    ],
)
def test_a_name_of_no_known_form_is_refused_with_what_is_allowed(name):
    with pytest.raises(StudyError, match="allowed: all, swapped, top-<dimension>-<k>") as error:
        parse_selection(name)
    assert repr(name) in str(error.value)


def test_top_takes_the_largest_deltas_in_descending_order():
    deltas = [delta("pair00", 1), delta("pair01", 4), delta("pair02", -4), delta("pair03", 2.5)]
    assert ids("top-mean-3", deltas=deltas) == ["pair01", "pair03", "pair00"]


def test_top_leaves_out_pairs_without_a_delta_instead_of_ranking_them_last():
    deltas = [delta("pair00", -4), delta("pair01", None)]
    assert ids("top-mean-1", deltas=deltas) == ["pair00"]


def test_ranks_count_from_0_in_the_order_of_the_selection():
    rows = select(parse_selection("all"), PAIRS, {}, 0)
    assert [row.rank for row in rows] == list(range(20))


def test_ties_do_not_depend_on_the_order_of_the_pairs_or_deltas():
    deltas = [delta(name, 1) for name in IDS]
    assert ids("top-mean-10", PAIRS[::-1], deltas[::-1]) == ids("top-mean-10", PAIRS, deltas)


def test_ties_are_broken_by_the_seed_not_by_the_id():
    deltas = [delta(name, 1) for name in IDS]
    first, second = ids("top-mean-10", deltas=deltas), ids("top-mean-10", deltas=deltas, tie_seed=1)
    assert set(first) != set(second)
    assert IDS[:10] not in (first, second)


def test_a_tie_seed_does_not_put_a_smaller_delta_before_a_larger_one():
    deltas = [delta(name, index % 3) for index, name in enumerate(IDS)]
    by_id = {row.pair_id: row.delta for row in deltas}
    for tie_seed in range(5):
        taken = [by_id[name] for name in ids("top-mean-20", deltas=deltas, tie_seed=tie_seed)]
        assert taken == sorted(taken, reverse=True)


def test_random_draws_k_pairs_once_each():
    drawn = ids("random-10-s0")
    assert len(set(drawn)) == len(drawn) == 10


def test_random_equals_itself_in_any_order_of_the_pairs():
    assert ids("random-10-s3", PAIRS[::-1]) == ids("random-10-s3")


def test_random_differs_by_seed():
    assert len({tuple(sorted(ids(f"random-10-s{seed}"))) for seed in range(5)}) == 5


def test_random_does_not_depend_on_the_tie_seed():
    assert ids("random-10-s3", tie_seed=9) == ids("random-10-s3")


def test_random_is_not_the_order_in_which_ties_are_broken():
    # Else the control of seed 0 would hold the very pairs that `top` takes from a tie with tie_seed 0.
    deltas = [delta(name, 1) for name in IDS]
    assert set(ids("random-10-s0")) != set(ids("top-mean-10", deltas=deltas))


def test_a_smaller_random_draw_is_the_beginning_of_a_larger_one():
    assert ids("random-5-s0") == ids("random-10-s0")[:5]


def test_all_takes_every_eligible_pair_unswapped():
    rows = select(parse_selection("all"), PAIRS, {}, 0)
    assert {row.pair_id for row in rows} == set(IDS)
    assert not any(row.swapped for row in rows)


def test_swapped_takes_the_pairs_of_all_in_the_same_order_with_the_flag_set():
    rows = select(parse_selection("swapped"), PAIRS, {}, 0)
    assert [row.pair_id for row in rows] == ids("all")
    assert all(row.swapped for row in rows)


@pytest.mark.parametrize("name", ["all", "swapped", "random-1-s0", "top-mean-1"])
def test_only_eligible_pool_pairs_are_taken(name):
    pairs = [pair("a", eligible=False), pair("b", pool=False), pair("c")]
    deltas = [delta("a", 4), delta("b", 4), delta("c", -4)]
    assert ids(name, pairs, deltas) == ["c"]


def test_more_pairs_than_there_are_is_refused_with_both_numbers():
    expected = re.escape("'random-21-s0' asks for 21 pairs, but only 20 are eligible.")
    with pytest.raises(StudyError, match=expected):
        ids("random-21-s0")


def test_top_counts_only_judged_pairs_when_it_says_how_many_there_are():
    with pytest.raises(StudyError, match="asks for 3 pairs, but only 1 are eligible and judged"):
        ids("top-mean-3", deltas=[delta("pair00", 1), delta("pair01", None)])


@pytest.mark.parametrize("name", ["all", "swapped", "random-1-s0", "top-mean-1"])
def test_a_selection_without_any_pair_is_refused(name):
    with pytest.raises(StudyError, match=f"'{name}' has no pairs"):
        ids(name, [pair("a", eligible=False)])


@given(st.lists(st.sampled_from([-4, -1, 0, 0.5, 1, 4, None]), min_size=20, max_size=20), st.integers(1, 20))
def test_no_pair_left_out_has_a_larger_delta_than_one_taken(values, k):
    deltas = [delta(name, value) for name, value in zip(IDS, values, strict=True)]
    known = {row.pair_id: row.delta for row in deltas if row.delta is not None}
    if k > len(known):
        return
    taken = set(ids(f"top-mean-{k}", deltas=deltas))
    assert len(taken) == k
    left_out = [value for name, value in known.items() if name not in taken]
    assert max(left_out, default=-5) <= min(known[name] for name in taken)
