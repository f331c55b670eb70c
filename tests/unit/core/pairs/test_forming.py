from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.ids import digest
from prefdelta.core.pairs.selections import parse_selection
from unit.pair_tables import cell_pairs, pool_pairs, sample_deltas, select
from unit.rows import grade, judgement, trace

WHOLE = {"text": "A:1", "finish_reason": "stop"}
UNUSABLE = {
    "truncated": {"text": "1+1=", "finish_reason": "length"},
    "empty": {"text": "", "finish_reason": "stop"},
    "failed": {"text": None, "finish_reason": None, "n_tokens": None, "failure": "too_long"},
}


def pair_up(chosen_traces, rejected_traces, prompt_ids=("p1",), grades=(), make=pool_pairs, judged=(9, 9)):
    """Pairs of strong over weak, which have so many judged samples."""
    by_generator = {name: [row for row in grades if row.generator == name] for name in ("strong", "weak")}
    traces = {"strong": list(chosen_traces), "weak": list(rejected_traces)}
    return make("strong", "weak", prompt_ids, traces, by_generator, dict(zip(("strong", "weak"), judged, strict=True)))


def strong(prompt_id="p1", sample=0, **columns):
    return trace(prompt_id, "strong", sample, **({"text": "A:1"} | columns))


def weak(prompt_id="p1", sample=0, **columns):
    return trace(prompt_id, "weak", sample, **({"text": "A:2"} | columns))


def test_a_prompt_with_a_whole_trace_on_both_sides_gives_an_eligible_pair():
    (pair,) = pair_up([strong(n_tokens=9)], [weak(n_tokens=5, text="A:-12")])
    assert (pair.eligible, pair.reason, pair.pool) == (True, None, True)
    assert (pair.chosen_sample, pair.rejected_sample, pair.chosen_tokens, pair.rejected_tokens) == (0, 0, 9, 5)
    assert (pair.chosen_characters, pair.rejected_characters) == (3, 5)


def test_a_pair_of_other_texts_keeps_its_id_and_says_that_they_are_others():
    (one,), (same,), (other,), (cut,) = (
        pair_up([strong()], [weak(**columns)])
        for columns in ({}, {"n_tokens": 7}, {"text": "A:3"}, UNUSABLE["truncated"])
    )
    assert one.pair_id == other.pair_id
    assert one.texts == same.texts != other.texts
    assert None not in (one.texts, other.texts)
    assert cut.texts is None


def test_each_side_takes_its_lowest_usable_sample_in_whatever_order_they_come():
    chosen = [strong(sample=3), strong(sample=2), strong(sample=0, **UNUSABLE["truncated"])]
    rejected = [weak(sample=5), weak(sample=1), weak(sample=4)]
    (pair,) = pair_up(chosen, rejected)
    assert (pair.chosen_sample, pair.rejected_sample) == (2, 1)


def test_a_prompt_whose_judged_samples_are_cut_is_not_in_the_pool_even_if_a_later_one_is_whole():
    cut = UNUSABLE["truncated"]
    chosen = [strong(sample=0, **cut), strong(sample=1, **cut), strong(sample=2)]
    rejected = [weak(sample=0, **cut), weak(sample=1)]
    found = {judged: pair_up(chosen, rejected, judged=judged)[0] for judged in ((2, 2), (3, 1), (3, 2))}
    assert {judged: (pair.reason, pair.chosen_sample, pair.rejected_sample) for judged, pair in found.items()} == {
        (2, 2): ("chosen_truncated", None, 1),
        (3, 1): ("rejected_truncated", 2, None),
        (3, 2): (None, 2, 1),
    }
    assert [pair.eligible for pair in found.values()] == [False, False, True]


@pytest.mark.parametrize("why", UNUSABLE)
def test_a_chosen_side_without_a_usable_trace_says_why(why):
    (pair,) = pair_up([strong(**UNUSABLE[why])], [weak()])
    assert (pair.eligible, pair.reason, pair.chosen_sample) == (False, f"chosen_{why}", None)


@pytest.mark.parametrize("why", UNUSABLE)
def test_a_rejected_side_without_a_usable_trace_says_why(why):
    (pair,) = pair_up([strong()], [weak(**UNUSABLE[why])])
    assert (pair.eligible, pair.reason, pair.rejected_sample) == (False, f"rejected_{why}", None)


def test_a_side_without_any_trace_is_missing():
    (pair,) = pair_up([strong()], [])
    assert (pair.reason, pair.rejected_tokens, pair.cell) == ("rejected_missing", None, None)


def test_the_chosen_side_is_told_first_when_both_lack_a_trace():
    (pair,) = pair_up([], [weak(**UNUSABLE["truncated"])])
    assert pair.reason == "chosen_missing"


def test_truncation_is_the_reason_told_when_the_samples_of_a_side_differ():
    chosen = [strong(sample=0, **UNUSABLE["failed"]), strong(sample=1, **UNUSABLE["truncated"])]
    (pair,) = pair_up(chosen, [weak()])
    assert pair.reason == "chosen_truncated"


def test_two_traces_of_the_same_text_are_not_eligible():
    (pair,) = pair_up([strong(text="A:1")], [weak(text="A:1")])
    assert (pair.eligible, pair.reason) == (False, "identical")


def test_a_generator_paired_with_itself_takes_even_samples_as_chosen_and_odd_as_rejected():
    traces = [
        strong(sample=0, **UNUSABLE["truncated"]),
        strong(sample=1, text="one"),
        strong(sample=2, text="two"),
        strong(sample=3, text="three"),
    ]
    (pair,) = pool_pairs("strong", "strong", ["p1"], {"strong": traces}, {"strong": []}, {"strong": 4})
    assert (pair.chosen_sample, pair.rejected_sample, pair.reason) == (2, 1, None)


def test_a_generator_paired_with_itself_lacks_a_rejected_trace_if_it_drew_once():
    (pair,) = pool_pairs("strong", "strong", ["p1"], {"strong": [strong()]}, {"strong": []}, {"strong": 2})
    assert pair.reason == "rejected_missing"


@pytest.mark.parametrize(
    ("chosen", "rejected", "cell"),
    [
        (True, True, "right-right"),
        (True, False, "right-wrong"),
        (False, True, "wrong-right"),
        (False, False, "wrong-wrong"),
        (None, True, None),  # a failed grade is no wrong answer
        (True, None, None),
    ],
)
def test_the_cell_names_which_sides_are_right(chosen, rejected, cell):
    grades = [grade("p1", "strong", 0, correct=chosen), grade("p1", "weak", 0, correct=rejected)]
    (pair,) = pair_up([strong()], [weak()], grades=grades)
    assert (pair.chosen_correct, pair.rejected_correct, pair.cell) == (chosen, rejected, cell)


def test_the_grade_is_that_of_the_sample_taken():
    grades = [grade("p1", "strong", 0, correct=False), grade("p1", "strong", 1, correct=True)]
    (pair,) = pair_up([strong(sample=0, **UNUSABLE["empty"]), strong(sample=1)], [weak()], grades=grades)
    assert pair.chosen_correct is True


def test_the_id_of_a_pair_names_prompt_generators_direction_and_samples():
    prompt_id = 'p"1\\ü'
    for chosen, rejected, samples in product("ab", "bc", product((0, 1, None), repeat=2)):
        traces = {name: [] if n is None else [trace(prompt_id, name, n)] for name, n in ((chosen, samples[0]),)}
        traces[rejected] = [] if samples[1] is None else [trace(prompt_id, rejected, samples[1])]
        if chosen != rejected:
            nothing = dict.fromkeys(traces, ())
            (pair,) = pool_pairs(chosen, rejected, [prompt_id], traces, nothing, dict.fromkeys(traces, 9))
            assert pair.pair_id == digest(["pair", chosen, rejected, prompt_id, *samples])[:16]


# Any state of up to three samples for each side of up to six prompts.
states = st.sampled_from([None, WHOLE, *UNUSABLE.values()])
studies = st.dictionaries(
    st.sampled_from(["p1", "p2", "p3", "p4", "p5", "p6"]),
    st.tuples(st.lists(states, max_size=3), st.lists(states, max_size=3)),
    min_size=1,
)


def rows_of(study):
    chosen, rejected = [], []
    for prompt_id, sides in study.items():
        for rows, make, samples in ((chosen, strong, sides[0]), (rejected, weak, sides[1])):
            rows += [
                # Half of the texts agree between the sides, so that identical pairs occur.
                make(prompt_id, sample, **(state | ({"text": f"A:{sample}"} if state is WHOLE else {})))
                for sample, state in enumerate(samples)
                if state is not None
            ]
    grades = [grade(row.prompt_id, row.generator, row.sample, correct=row.sample == 0) for row in chosen + rejected]
    return chosen, rejected, grades


@given(studies)
def test_prompts_in_are_pairs_out_each_eligible_or_with_a_reason(study):
    chosen, rejected, grades = rows_of(study)
    pairs = pair_up(chosen, rejected, list(study), grades)
    assert sorted(pair.prompt_id for pair in pairs) == sorted(study)
    assert all(pair.eligible == (pair.reason is None) for pair in pairs)


@given(studies, st.integers(1, 3), st.integers(1, 3))
def test_both_sides_of_an_eligible_pool_pair_are_judged(study, left, right):
    chosen, rejected, grades = rows_of(study)
    for pair in pair_up(chosen, rejected, list(study), grades, judged=(left, right)):
        assert not pair.eligible or (pair.chosen_sample < left and pair.rejected_sample < right)


@given(studies, st.integers(0, 10))
def test_pairs_do_not_depend_on_the_order_of_any_input(study, seed):
    chosen, rejected, grades = rows_of(study)
    expected = pair_up(chosen, rejected, list(study), grades)
    prompt_ids, random = list(study), Random(seed)
    for rows in (chosen, rejected, grades, prompt_ids):
        random.shuffle(rows)
    assert pair_up(chosen, rejected, prompt_ids, grades) == expected


@given(studies, st.data())
def test_dropping_a_trace_changes_no_pair_but_that_of_its_prompt(study, data):
    chosen, rejected, grades = rows_of(study)
    before = pair_up(chosen, rejected, list(study), grades)
    rows = data.draw(st.sampled_from([side for side in (chosen, rejected) if side] or [[strong("none")]]))
    dropped = rows.pop(data.draw(st.integers(0, len(rows) - 1)))
    after = pair_up(chosen, rejected, list(study), grades)
    assert [p for p in after if p.prompt_id != dropped.prompt_id] == [
        p for p in before if p.prompt_id != dropped.prompt_id
    ]


# --- the cells of correctness ---

CELLS = ["right-right", "right-wrong", "wrong-right", "wrong-wrong"]


def in_cells(chosen, rejected, prompt_ids=("p1",), judged=(9, 9), **more):
    """(pool pairs, the other pairs of cells); chosen, rejected: whether each sample of p1 is right (or None)."""
    sides = (("strong", chosen), ("weak", rejected))
    traces = [
        [trace("p1", name, sample, text=f"{name} {sample}", **more) for sample in range(len(side))]
        for name, side in sides
    ]
    grades = [grade("p1", name, n, correct=right) for name, side in sides for n, right in enumerate(side)]
    return tuple(pair_up(*traces, prompt_ids, grades, make, judged) for make in (pool_pairs, cell_pairs))


def samples(pairs):
    return {pair.cell: (pair.chosen_sample, pair.rejected_sample) for pair in pairs}


def test_a_prompt_with_both_kinds_on_both_sides_has_all_four_cells_each_of_the_lowest_samples():
    pool, others = in_cells([False, True, True, False], [True, True, False])
    assert samples(pool) == {"wrong-right": (0, 0)}
    assert samples(others) == {"right-right": (1, 0), "right-wrong": (1, 2), "wrong-wrong": (0, 2)}
    assert all(pair.eligible and not pair.pool for pair in others)


@pytest.mark.parametrize(("chosen", "rejected"), [([True, True], [True, False]), ([True, False], [False]), ([], [])])
def test_a_prompt_that_lacks_a_cell_gives_none_beyond_its_pool_pair(chosen, rejected):
    pool, others = in_cells(chosen, rejected)
    assert (len(pool), others) == (1, [])


def test_a_sample_without_a_grade_or_cut_short_is_in_no_cell():
    assert in_cells([True, None], [True, False])[1] == []
    assert in_cells([True, False], [True, False], finish_reason="length")[1] == []


def test_if_the_pool_pair_is_not_graded_all_four_cells_are_pairs_of_their_own():
    pool, others = in_cells([None, True, False], [True, False])
    assert [pair.cell for pair in pool] == [None]
    assert sorted(pair.cell for pair in others) == CELLS


@pytest.mark.parametrize("judged", [(1, 1), (1, 2), (4, 3)])
def test_cells_take_samples_that_are_not_judged_too(judged):
    pool, others = in_cells([False, True, True, False], [True, True, False], judged=judged)
    assert samples(pool) == {"wrong-right": (0, 0)}
    assert samples(others) == {"right-right": (1, 0), "right-wrong": (1, 2), "wrong-wrong": (0, 2)}


def test_a_prompt_without_a_pool_pair_may_have_all_four_cells_of_later_samples():
    texts = {"strong": [None, "one", "two"], "weak": ["three", "four"]}
    traces = [
        [trace("p1", name, n, text=text, finish_reason="stop" if text else "length") for n, text in enumerate(of_one)]
        for name, of_one in texts.items()
    ]
    grades = [grade("p1", name, n, correct=n == 1) for name in texts for n in range(len(texts[name]))]
    pool, others = (pair_up(*traces, ["p1"], grades, make, (1, 1)) for make in (pool_pairs, cell_pairs))
    assert [(pair.eligible, pair.reason) for pair in pool] == [(False, "chosen_truncated")]
    assert sorted(pair.cell for pair in others) == CELLS
    assert all(pair.eligible for pair in others)


def test_a_cell_of_two_equal_texts_keeps_its_row_and_is_not_eligible():
    traces = [[trace("p1", name, n, text=f"A:{n}") for n in range(2)] for name in ("strong", "weak")]
    grades = [grade("p1", name, n, correct=n == 0) for name in ("strong", "weak") for n in range(2)]
    others = pair_up(*traces, ["p1"], grades, cell_pairs)
    assert {pair.cell: pair.reason for pair in others} == {
        "right-wrong": None,
        "wrong-right": None,
        "wrong-wrong": "identical",
    }


def test_a_generator_paired_with_itself_has_cells_of_even_over_odd_samples():
    traces = [trace("p1", "strong", n, text=str(n)) for n in range(4)]
    grades = [grade("p1", "strong", n, correct=n in (0, 3)) for n in range(4)]
    arguments = ("strong", "strong", ["p1"], {"strong": traces}, {"strong": grades}, {"strong": 4})
    found = {**samples(pool_pairs(*arguments)), **samples(cell_pairs(*arguments))}
    assert found == {"right-wrong": (0, 1), "right-right": (0, 3), "wrong-wrong": (2, 1), "wrong-right": (2, 3)}


correctness = st.sampled_from([True, False, None])


@given(st.lists(st.tuples(states, correctness), max_size=4), st.lists(st.tuples(states, correctness), max_size=4))
def test_cells_are_all_four_of_a_prompt_or_none_and_one_of_them_is_the_pool_pair(chosen, rejected):
    rows, grades = {"strong": [], "weak": []}, []
    for name, side in (("strong", chosen), ("weak", rejected)):
        for sample, (state, right) in enumerate(side):
            if state is not None:
                rows[name].append(trace("p1", name, sample, **(state | ({"text": name} if state is WHOLE else {}))))
                grades.append(grade("p1", name, sample, correct=right))
    pool, others = (pair_up(rows["strong"], rows["weak"], ["p1"], grades, make) for make in (pool_pairs, cell_pairs))
    assert len(pool) == 1  # prompts in = rows of the pool out, whatever the cells are
    everything = [*pool, *others]
    assert len({pair.pair_id for pair in everything}) == len(everything)
    assert [pair.pool for pair in everything] == [True] + [False] * len(others)
    if others:
        cells = {pair.cell for pair in everything}
        assert cells - {None} == set(CELLS)
        # One of the four is the pool pair, unless that one is not graded on both sides.
        assert len(others) == (4 if pool[0].cell is None else 3)


@given(studies, st.integers(0, 10))
def test_cells_do_not_depend_on_the_order_of_any_input(study, seed):
    chosen, rejected, grades = rows_of(study)
    expected = pair_up(chosen, rejected, list(study), grades, cell_pairs)
    prompt_ids, random = list(study), Random(seed)
    for rows in (chosen, rejected, grades, prompt_ids):
        random.shuffle(rows)
    assert pair_up(chosen, rejected, prompt_ids, grades, cell_pairs) == expected


def test_top_and_random_draw_from_the_same_prompts_if_every_judged_trace_has_its_verdict():
    # Of ten prompts, four have a first draw that was cut and three whole ones after it; one sample is judged.
    prompt_ids = [f"p{n}" for n in range(10)]
    chosen = [
        strong(prompt_id, sample, **(UNUSABLE["truncated"] if sample == 0 and prompt_id < "p4" else {}))
        for prompt_id in prompt_ids
        for sample in range(4)
    ]
    rejected = [weak(prompt_id) for prompt_id in prompt_ids]
    pairs = pair_up(chosen, rejected, prompt_ids, judged=(1, 1))
    rated = [row for row in (*chosen, *rejected) if row.sample == 0 and row.usable]
    judgements = [judgement(row.generator, "factuality", 3, prompt_id=row.prompt_id) for row in rated]
    deltas = {row.pair_id: row for row in sample_deltas("strong", "weak", pairs, judgements, ["factuality"])}
    names = ("all", "swapped", "random-6-s0", "top-factuality-6", "bottom-factuality-6", "top-chosen-factuality-6")
    taken = [{row.pair_id for row in select(parse_selection(name), pairs, deltas, 0)} for name in names]
    assert taken == [{pair.pair_id for pair in pairs if pair.prompt_id >= "p4"}] * len(names)
