import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.selections import KINDS, parse_selection
from prefdelta.records.delta import Delta
from prefdelta.records.reference import ReferenceLogps
from unit.pair_tables import common_prompts, rejected_logps, select
from unit.rows import delta, pair

IDS = [f"pair{index:02d}" for index in range(20)]
PAIRS = [pair(name) for name in IDS]


def ids(name, pairs=PAIRS, deltas=(), tie_seed=0, **more):
    rows = select(parse_selection(name), pairs, {row.pair_id: row for row in deltas}, tie_seed, **more)
    return [row.pair_id for row in rows]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "All",
        "all ",
        "all\n",
        "all-5",
        "best-mean-5",
        "../all",
    ],
)
def test_a_name_of_no_known_form_is_refused_with_the_forms_of_all_kinds(name):
    with pytest.raises(StudyError, match=re.escape(f"allowed: {', '.join(kind.FORM for kind in KINDS)} (k")) as error:
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


@pytest.mark.parametrize(
    "name",
    [
        *("all", "swapped", "random-1-s0", "top-mean-1", "bottom-mean-1"),
        *("top-chosen-mean-1", "low-rejected-mean-1", "likely-rejected-pa-1", "unlikely-rejected-pa-1"),
    ],
)
def test_only_eligible_pool_pairs_are_taken(name):
    pairs = [pair("a", eligible=False), pair("b", pool=False), pair("c")]
    deltas = [delta("a", 4), delta("b", 4), delta("c", -4)]
    assert ids(name, pairs, deltas, logps=dict.fromkeys("abc", -1.0)) == ["c"]


def test_more_pairs_than_there_are_is_refused_with_both_numbers():
    expected = re.escape("'random-21-s0' asks for 21 pairs, but only 20 are eligible.")
    with pytest.raises(StudyError, match=expected):
        ids("random-21-s0")


def test_top_counts_only_judged_pairs_when_it_says_how_many_there_are():
    with pytest.raises(StudyError, match="asks for 3 pairs, but only 1 are eligible and judged"):
        ids("top-mean-3", deltas=[delta("pair00", 1), delta("pair01", None)])


@pytest.mark.parametrize(
    "name",
    [
        *("all", "swapped", "random-1-s0", "top-mean-1", "bottom-mean-1", "matched-length-mean-1"),
        *("cell-right-right", "common-scaling"),
    ],
)
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


# --- bottom ---


def test_bottom_takes_the_smallest_deltas_in_ascending_order():
    deltas = [delta("pair00", 1), delta("pair01", 4), delta("pair02", -4), delta("pair03", 2.5), delta("pair04", None)]
    assert ids("bottom-mean-3", deltas=deltas) == ["pair02", "pair00", "pair03"]


@given(st.lists(st.sampled_from([-4, -1, 0, 0.5, 1, 4]), min_size=20, max_size=20), st.integers(1, 20))
def test_bottom_is_top_of_the_negated_deltas(values, k):
    deltas, negated = ([delta(name, sign * value) for name, value in zip(IDS, values, strict=True)] for sign in (1, -1))
    assert ids(f"bottom-mean-{k}", deltas=deltas) == ids(f"top-mean-{k}", deltas=negated)


# --- one side's score ---


def scored(name, chosen, rejected):
    return Delta(name, chosen, rejected, chosen - rejected, None)


#            delta  1         2         3        0         -1
SCORES = {"a": (5, 4), "b": (4, 2), "c": (4, 1), "d": (3, 3), "e": (2, 3)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("top-mean-3", "cba"),
        ("top-chosen-mean-1", "a"),
        ("top-chosen-mean-4", "abcd"),
        ("low-rejected-mean-2", "cb"),
        ("low-rejected-mean-4", "cbde"),
    ],
)
def test_a_selection_by_one_side_goes_by_its_score_and_not_by_the_delta(name, expected):
    rows = [scored(name, *sides) for name, sides in SCORES.items()]
    assert sorted(ids(name, [pair(name) for name in SCORES], rows)) == sorted(expected)


def test_a_selection_by_one_side_leaves_out_pairs_whose_other_side_is_not_judged_as_top_does():
    pairs, rows = [pair("a"), pair("b")], [Delta("a", 5.0, None, None, "rejected_unjudged"), scored("b", 1, 1)]
    assert ids("top-chosen-mean-1", pairs, rows) == ["b"]
    with pytest.raises(StudyError, match="asks for 2 pairs, but only 1 are eligible and judged"):
        ids("top-chosen-mean-2", pairs, rows)


# --- by the rejected trace's log-probability ---


def test_likely_and_unlikely_take_the_two_ends_of_the_log_probabilities():
    logps = {"pair03": -0.2, "pair04": -3.0, "pair05": -0.1, "pair06": -1.0}
    assert ids("likely-rejected-pa-2", logps=logps) == ["pair05", "pair03"]
    assert ids("unlikely-rejected-pa-3", logps=logps) == ["pair04", "pair06", "pair03"]


def test_a_trace_that_the_policy_could_not_score_is_not_taken():
    with pytest.raises(StudyError, match="only 1 are eligible and have a log-probability under pa"):
        ids("likely-rejected-pa-2", logps={"pair03": -0.2})


def test_a_log_probability_is_the_mean_of_the_rejected_traces_tokens():
    def reference(prompt_id, sample, logps, n_tokens):
        return ReferenceLogps(prompt_id, "weak", sample, logps, n_tokens, "key", None if logps else "too_long")

    pairs = [
        pair(name, prompt_id=name, rejected_sample=sample) for name, sample in zip("abcd", (0, 1, 0, None), strict=True)
    ]
    rows = [
        reference("a", 0, -6.0, 3),
        reference("a", 1, -1.0, 1),
        reference("b", 1, -9.0, 2),
        reference("c", 0, None, None),
    ]
    assert rejected_logps(pairs, rows) == {"a": -2.0, "b": -4.5}


# --- cells ---

CELLS = ["right-right", "right-wrong", "wrong-right", "wrong-wrong"]


def of_cells(prompt_id, cells=CELLS, ineligible=()):
    """The pairs of a prompt: the first cell is the pool's."""
    return [
        pair(f"{prompt_id} {cell}", prompt_id=prompt_id, cell=cell, pool=not place, eligible=cell not in ineligible)
        for place, cell in enumerate(cells)
    ]


def test_a_cell_takes_its_pair_of_every_prompt_that_has_all_four():
    pairs = [
        *of_cells("p1"),
        *of_cells("p2", CELLS[::-1]),
        *of_cells("p3", CELLS[:3]),  # has no wrong-wrong
        *of_cells("p4", ineligible=["right-wrong"]),
        *of_cells("p5", ["right-right"]),
        pair("p6 ungraded", prompt_id="p6", cell=None),
    ]
    for cell in CELLS:
        assert sorted(ids(f"cell-{cell}", pairs)) == [f"p1 {cell}", f"p2 {cell}"]


@given(
    st.dictionaries(
        st.sampled_from([f"p{n}" for n in range(12)]), st.lists(st.sampled_from(CELLS), unique=True), min_size=1
    ),
    st.integers(0, 3),
)
def test_all_cells_have_the_same_prompts_in_the_same_order_so_equal_n(study, tie_seed):
    pairs = [row for prompt_id, cells in study.items() for row in of_cells(prompt_id, cells)]
    whole = {prompt_id for prompt_id, cells in study.items() if len(cells) == 4}
    if not whole:
        return
    prompts = [[name.split()[0] for name in ids(f"cell-{cell}", pairs, tie_seed=tie_seed)] for cell in CELLS]
    assert prompts == prompts[:1] * 4
    assert len(prompts[0]) == len(whole)
    assert set(prompts[0]) == whole


# --- common ---


def pairing(name, prompt_ids, **columns):
    return [pair(f"{name} {prompt_id}", prompt_id=prompt_id, **columns) for prompt_id in prompt_ids]


def common(pairs, prompts, limit=None, tie_seed=0):
    """The prompts of a common selection in its order."""
    rows = select(parse_selection("common-scaling"), pairs, {}, tie_seed, prompts, limit)
    return [row.pair_id.split()[1] for row in rows]


def test_common_prompts_are_those_whose_pool_pair_is_eligible_in_every_pairing():
    first = [*pairing("a", ["p1", "p2", "p3", "p4"]), *pairing("a", ["p5"], eligible=False)]
    second = [
        *pairing("b", ["p1", "p3", "p5"]),
        *pairing("b", ["p2"], eligible=False),
        *pairing("b", ["p4"], pool=False),  # a cell's pair, not the pool's
    ]
    assert common_prompts([first, second]) == {"p1", "p3"}
    assert common_prompts([first]) == {"p1", "p2", "p3", "p4"}
    assert common_prompts([]) == set()


def test_common_takes_the_pool_pairs_of_the_common_prompts():
    pairs = [*pairing("a", ["p1", "p2", "p3"]), *pairing("cells", ["p1"], pool=False)]
    assert sorted(common(pairs, {"p1", "p3", "p9"})) == ["p1", "p3"]


@given(st.integers(1, 30), st.integers(0, 3))
def test_common_takes_the_same_prompts_for_every_pairing_of_its_set(limit, tie_seed):
    prompt_ids = [f"p{n}" for n in range(25)]
    first, second = pairing("a", prompt_ids), pairing("b", prompt_ids[::-1])
    prompts = common_prompts([first, second])
    taken = common(first, prompts, limit, tie_seed)
    assert taken == common(second, prompts, limit, tie_seed)
    assert len(taken) == min(limit, 25)


def test_a_limit_takes_prompts_by_seed_and_not_the_first():
    prompt_ids = [f"p{n:02d}" for n in range(25)]
    pairs = pairing("a", prompt_ids)
    first, second = (set(common(pairs, prompt_ids, 10, seed)) for seed in (0, 1))
    assert first != second
    assert set(prompt_ids[:10]) not in (first, second)
    # A smaller limit takes the beginning.
    assert common(pairs, prompt_ids, 4) == common(pairs, prompt_ids, 10)[:4]


def test_a_common_set_without_a_common_prompt_is_refused():
    with pytest.raises(StudyError, match="'common-scaling' has no pairs: of 2 eligible pairs, none can be selected"):
        common(pairing("a", ["p1", "p2"]), set())


def test_a_common_set_with_the_sides_exchanged_has_the_same_pairs_in_the_same_order():
    pairs = pairing("a", [f"p{n}" for n in range(9)])
    plain, swapped = (
        select(parse_selection(f"{kind}-scaling"), pairs, {}, 0, {"p1", "p3", "p5", "p7"}, 3)
        for kind in ("common", "swapped")
    )
    assert [row.pair_id for row in swapped] == [row.pair_id for row in plain]
    assert [row.swapped for row in swapped] == [True] * 3
