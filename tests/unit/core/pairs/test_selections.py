import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.selection_kinds.common import common_prompts
from prefdelta.core.pairs.selections import KINDS, parse_selection, select
from unit.rows import delta, pair

IDS = [f"pair{index:02d}" for index in range(20)]
PAIRS = [pair(name) for name in IDS]


def ids(name, pairs=PAIRS, deltas=(), tie_seed=0):
    rows = select(parse_selection(name), pairs, {row.pair_id: row for row in deltas}, tie_seed)
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
    "name", ["all", "swapped", "random-1-s0", "top-mean-1", "bottom-mean-1", "length-matched-mean-1"]
)
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


@pytest.mark.parametrize(
    "name",
    [
        *("all", "swapped", "random-1-s0", "top-mean-1", "bottom-mean-1", "length-matched-mean-1"),
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


# --- length-matched ---


def longer(name, difference, **columns):
    """A pair whose chosen trace has `difference` tokens more than its rejected one."""
    return pair(name, chosen_tokens=50 + difference, rejected_tokens=50, **columns)


def test_length_matched_draws_from_the_lengths_of_the_top_and_from_no_others():
    # 40 pairs: differences 0 to 9, four pairs of each, so each tenth of the pairs is one difference. The top 4 have
    # the differences 9, 9, 9 and 2, and so has every matched draw.
    pairs = [longer(f"pair{index:02d}", index % 10) for index in range(40)]
    tops = {"pair09": 4, "pair19": 4, "pair29": 4, "pair02": 4}
    deltas = [delta(row.pair_id, tops.get(row.pair_id, 0)) for row in pairs]
    assert set(ids("top-mean-4", pairs, deltas)) == set(tops)
    drawn = [ids("length-matched-mean-4", pairs, deltas, seed) for seed in range(20)]
    assert {tuple(sorted(int(name[-1]) for name in names)) for names in drawn} == {(2, 9, 9, 9)}
    # Any pair of the right length may be drawn, the top's own too.
    assert {name for names in drawn for name in names} == {row.pair_id for row in pairs if row.pair_id[-1] in "29"}


def strata(pairs):
    """pair_id -> which tenth of the pairs its length difference lies in, all differences being different."""
    order = sorted(pairs, key=lambda row: row.chosen_tokens - row.rejected_tokens)
    return {row.pair_id: 10 * place // len(order) for place, row in enumerate(order)}


@given(st.permutations(range(100)), st.integers(1, 60), st.integers(0, 5))
def test_length_matched_has_as_many_pairs_of_each_tenth_of_lengths_as_the_top(differences, k, seed):
    pairs = [longer(f"pair{index:02d}", difference) for index, difference in enumerate(differences)]
    # Longer pairs have larger deltas, but not always.
    deltas = [delta(row.pair_id, (difference + 37 * n % 50) / 50) for n, (row, difference) in
              enumerate(zip(pairs, differences, strict=True))]  # fmt: skip
    top, matched = (ids(f"{kind}-mean-{k}", pairs, deltas, seed) for kind in ("top", "length-matched"))
    tenth = strata(pairs)
    assert len(set(matched)) == len(matched) == k
    assert sorted(tenth[name] for name in matched) == sorted(tenth[name] for name in top)


def test_length_matched_is_a_draw_from_its_seed_and_not_the_top_again():
    pairs = [longer(f"pair{index:03d}", index % 7) for index in range(200)]
    deltas = [delta(row.pair_id, index / 200) for index, row in enumerate(pairs)]
    top = set(ids("top-mean-50", pairs, deltas))
    first, second = (set(ids("length-matched-mean-50", pairs, deltas, seed)) for seed in (0, 1))
    # A quarter of 50 would be shared by chance, with a standard deviation below sqrt(50 * 0.25 * 0.75) = 3.1.
    assert len(first & top) < 12.5 + 4 * 3.1
    assert first != second
    assert ids("length-matched-mean-50", pairs[::-1], deltas[::-1]) == ids("length-matched-mean-50", pairs, deltas)


def test_length_matched_draws_judged_pairs_only():
    pairs = [longer(name, 0) for name in IDS]
    deltas = [delta(name, 1 if index < 6 else None) for index, name in enumerate(IDS)]
    for seed in range(5):
        assert set(ids("length-matched-mean-4", pairs, deltas, seed)) <= set(IDS[:6])
    with pytest.raises(StudyError, match="asks for 7 pairs, but only 6 are eligible and judged"):
        ids("length-matched-mean-7", pairs, deltas)


def test_length_matched_goes_by_characters_if_the_traces_of_a_side_have_no_token_counts():
    def of_data_set(row):
        sides = {f"{side}_characters": getattr(row, f"{side}_tokens") for side in ("chosen", "rejected")}
        return replace(row, **sides, chosen_tokens=None)

    counted = [longer(f"pair{index:02d}", index % 7) for index in range(40)]
    deltas = [delta(row.pair_id, index / 40) for index, row in enumerate(counted)]
    matched = ids("length-matched-mean-10", counted, deltas)
    assert ids("length-matched-mean-10", [of_data_set(row) for row in counted], deltas) == matched
    # One trace without a count is enough: tokens and characters are not compared with each other.
    alike = [replace(row, chosen_characters=9, rejected_characters=9) for row in counted]
    mixed = [replace(alike[0], chosen_tokens=None), *alike[1:]]
    assert ids("length-matched-mean-10", mixed, deltas) != matched


def test_length_matched_without_lengths_is_an_error_that_says_what_is_missing_and_what_to_do():
    pairs = [pair(name, chosen_tokens=None) for name in IDS]
    with pytest.raises(StudyError, match=r"all 20 .* pairs, but 20 lack them .*\(pair.*random-<k>-s<seed> instead"):
        ids("length-matched-mean-4", pairs, [delta(name, 1) for name in IDS])


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
