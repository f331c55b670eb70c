"""Matched selections: pairs outside of the top set that are like it, and how alike both are."""

from dataclasses import replace
from math import exp, log
from random import Random

import numpy as np
import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.matching import MATCHED_ON, nearest_neighbours, pass_rates
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.records.details.filter import CovariateBalance
from prefdelta.records.grade import Grade
from prefdelta.store.tables import arrow_of
from unit.pair_tables import select, selected
from unit.rows import delta, pair


def longer(name, difference, **columns):
    """A pair whose chosen trace has `difference` tokens more than its rejected one."""
    return pair(name, prompt_id=name, chosen_tokens=50 + difference, rejected_tokens=50, **columns)


def match(name, pairs, deltas, rates=None, tie_seed=0, order=0):
    """The pairs of a matched selection, the top set, and how alike they are."""
    rows, more = {row.pair_id: row for row in deltas}, {"order": order, "pass_rates": rates or {}}
    selection = parse_selection(name)
    found = selected(selection, pairs, rows, tie_seed, **more)
    top = select(parse_selection(f"top-{selection.dimension}-{selection.k}"), pairs, rows, tie_seed, order=order)
    assert found.match is not None
    return found.pairs.column("pair_id").to_pylist(), [row.pair_id for row in top], found.match


def numbered(count, digit):
    """The pairs that are no top pair and end in a digit."""
    return {f"pair{index:02d}" for index in range(10, count) if index % 10 == digit}


# --- which pairs are taken ---


def test_a_match_has_the_length_of_its_top_pair_and_lies_outside_of_the_top_set():
    # 40 pairs, four of each difference from 0 to 9. The top ones, best first, have the differences 9, 3 and 2.
    pairs = [longer(f"pair{index:02d}", index % 10) for index in range(40)]
    tops = {"pair09": 4, "pair03": 3, "pair02": 2}
    deltas = [delta(row.pair_id, tops.get(row.pair_id, 0)) for row in pairs]
    drawn = [match("matched-length-mean-3", pairs, deltas, tie_seed=seed)[0] for seed in range(20)]
    for place, digit in enumerate((9, 3, 2)):
        assert {names[place] for names in drawn} == numbered(40, digit)


def test_correctness_is_that_of_both_sides():
    cells = [(True, False), (True, True), (False, True), (False, False)]
    pairs = [
        pair(f"pair{index:02d}", chosen_correct=cells[index % 4][0], rejected_correct=cells[index % 4][1])
        for index in range(24)
    ]
    deltas = [delta(row.pair_id, 4 if place < 3 else 0) for place, row in enumerate(pairs)]
    matched, top, quality = match("matched-correctness-mean-3", pairs, deltas)
    assert [int(name[4:]) % 4 for name in matched] == [int(name[4:]) % 4 for name in top]
    assert (quality.alike, quality.far) == (3, 0)


def test_difficulty_is_the_pass_rate_of_the_prompt():
    pairs = [pair(f"pair{index:02d}", prompt_id=f"p{index % 3}") for index in range(30)]
    deltas = [delta(row.pair_id, 4 if row.pair_id in ("pair00", "pair01", "pair03") else 0) for row in pairs]
    matched, _, quality = match("matched-difficulty-mean-3", pairs, deltas, {"p0": 0.0, "p1": 0.5, "p2": 1.0})
    assert sorted(int(name[4:]) % 3 for name in matched) == [0, 0, 1]
    assert quality.alike == 3


def test_only_pairs_of_which_all_that_is_matched_is_known_are_alike():
    """A top pair that was right both times, and one of which nobody knows: the latter is like nothing."""
    known = [pair(f"pair{index:02d}", chosen_correct=True, rejected_correct=True) for index in range(6)]
    unknown = [pair(f"none{index}", chosen_correct=None, rejected_correct=None) for index in range(2)]
    deltas = [delta(name, 4 if name in ("pair00", "none0") else 0) for name in (p.pair_id for p in [*known, *unknown])]
    _, top, quality = match("matched-correctness-mean-2", [*known, *unknown], deltas)
    assert sorted(top) == ["none0", "pair00"]
    assert (quality.alike, quality.far) == (1, 0)


def test_where_too_few_are_alike_the_nearest_that_is_left_is_taken_and_counted():
    # Differences 0 and 4 in the top set; outside 4, 5 and 9. The nearest two come first: 4 with 4, then 0 with 5.
    pairs = [longer("top0", 0), longer("top4", 4), longer("a4", 4), longer("b5", 5), longer("c9", 9)]
    deltas = [delta(row.pair_id, {"top0": 4, "top4": 3}.get(row.pair_id, 0)) for row in pairs]
    matched, _, quality = match("matched-length-mean-2", pairs, deltas)
    assert matched == ["b5", "a4"]
    assert (quality.k, quality.others, quality.alike, quality.far) == (2, 3, 1, 1)


def test_several_covariates_weigh_by_their_standard_deviations():
    # In tokens b is nearer; in standard deviations (length 40, right 0.5) a is, which differs in length alone.
    length, right = np.array([0.0, 10.0, 0.0, 100.0]), np.array([1.0, 1.0, 0.0, 0.0])  # of x, a, b, c
    first, others = np.array([0]), np.array([3, 2, 1])
    assert others[nearest_neighbours([length, right], first, others)].tolist() == [1]


def test_matches_are_drawn_by_seed_and_order_whatever_the_order_of_the_rows():
    pairs = [longer(f"pair{index:03d}", index % 7) for index in range(200)]
    deltas = [delta(row.pair_id, index / 200) for index, row in enumerate(pairs)]
    first, again = (match("matched-length-mean-50", rows, deltas)[0] for rows in (pairs, pairs[::-1]))
    assert first == again
    assert set(first) != set(match("matched-length-mean-50", pairs, deltas, tie_seed=1)[0])
    assert set(first) != set(match("matched-length-mean-50", pairs, deltas, order=1)[0])


# --- what is not known ---


def test_only_judged_pairs_are_matches():
    pairs = [longer(f"pair{index:02d}", 0) for index in range(20)]
    deltas = [delta(row.pair_id, 1 if index < 8 else None) for index, row in enumerate(pairs)]
    matched, top, _ = match("matched-length-mean-4", pairs, deltas)
    assert {*matched, *top} == {f"pair{index:02d}" for index in range(8)}


def test_lengths_are_characters_if_the_traces_of_a_side_have_no_token_counts():
    def of_data_set(row):
        sides = {f"{side}_characters": getattr(row, f"{side}_tokens") for side in ("chosen", "rejected")}
        return replace(row, **sides, chosen_tokens=None)

    counted = [longer(f"pair{index:02d}", index % 7) for index in range(40)]
    deltas = [delta(row.pair_id, index / 40) for index, row in enumerate(counted)]
    matched, _, quality = match("matched-length-mean-10", counted, deltas)
    in_characters, _, other = match("matched-length-mean-10", list(map(of_data_set, counted)), deltas)
    assert in_characters == matched
    assert (quality.unit, other.unit) == ("tokens", "characters")


@pytest.mark.parametrize(
    ("on", "known", "message"),
    [
        (
            "length",
            3,
            "needs the length .in characters. of its 6 eligible and judged pairs, but 3 lack it .pair5 first",
        ),
        ("correctness", 0, "needs the chosen_right of its 6 .* but 6 lack it"),
        ("difficulty", 0, "needs the pass_rate of its 6 .* but 6 lack it"),
    ],
)
def test_what_pairs_are_matched_on_must_be_known(on, known, message):
    lacking = {"chosen_tokens": None, "chosen_characters": None, "chosen_correct": None}
    given = {"chosen_characters": 9, "rejected_characters": 9}
    pairs = [pair(f"pair{n}", **given) if n < known else pair(f"pair{n}", **lacking) for n in range(6)]
    with pytest.raises(StudyError, match=message):
        match(f"matched-{on}-mean-2", pairs, [delta(row.pair_id, int(row.pair_id[4:]) / 2 - 3) for row in pairs])


def test_a_few_unknown_grades_stop_nothing():
    pairs = [pair(f"pair{n}", chosen_correct=None if n == 5 else n % 2 == 0, rejected_correct=False) for n in range(6)]
    deltas = [delta(row.pair_id, 4 if row.pair_id in ("pair0", "pair5") else 0) for row in pairs]
    matched, _, quality = match("matched-correctness-mean-2", pairs, deltas)
    assert len(set(matched) - {"pair0", "pair5"}) == 2
    assert next(line for line in quality.balance if line.covariate == "chosen_right").top == 1.0  # of pair0 alone


def test_a_pass_rate_counts_a_trace_without_an_answer_as_wrong_and_leaves_out_one_that_was_not_graded():
    def grade(prompt_id, sample, correct, failure=None):
        return Grade(prompt_id, "weak", sample, None, correct, failure)

    grades = [
        *(grade("p1", 0, True), grade("p1", 1, False), grade("p1", 2, None, "truncated"), grade("p1", 3, True)),
        *(grade("p2", 0, None, "no_answer"), grade("p2", 1, None, "time_out")),
        grade("p3", 0, None, "time_out"),
    ]
    assert pass_rates(arrow_of(Grade, grades)) == {"p1": 0.5, "p2": 0.0}


# --- how alike they are ---


def test_the_balance_has_means_and_differences_in_standard_deviations():
    # Top: differences 4 and 8, mean 6, variance 4. Others: 0, 2, 4 and 10, mean 4, variance 14. One unit is
    # sqrt((4 + 14) / 2) = 3: before (6 - 4) / 3. Matches are 4 and 10: after (6 - 7) / 3.
    pairs = [longer(f"{side}{n}", n) for side, numbers in (("top", (4, 8)), ("rest", (0, 2, 4, 10))) for n in numbers]
    deltas = [delta(row.pair_id, 4 if row.pair_id.startswith("top") else 0) for row in pairs]
    matched, _, quality = match("matched-length-mean-2", pairs, deltas)
    assert set(matched) == {"rest4", "rest10"}
    assert quality.balance[0] == CovariateBalance(
        "length", True, 6.0, 7.0, 4.0, pytest.approx(2 / 3), pytest.approx(-1 / 3)
    )


def test_sets_that_differ_but_do_not_vary_have_no_standardised_difference():
    pairs = [longer(f"pair{n}", 0, chosen_correct=n < 2, rejected_correct=False) for n in range(5)]
    _, _, quality = match(
        "matched-length-mean-2", pairs, [delta(row.pair_id, 4 - int(row.pair_id[4:])) for row in pairs]
    )
    found = {line.covariate: (line.matched_on, line.before, line.after) for line in quality.balance}
    assert found == {
        "length": (True, 0.0, 0.0),
        "chosen_right": (False, None, None),
        "rejected_right": (False, 0.0, 0.0),
    }


def real_like(n, seed):
    """Pairs as of reasoning models: hard prompts have longer traces and fewer right ones; deltas follow both."""
    random, pairs, deltas, rates = Random(seed), [], [], {}
    for number in range(n):
        difficulty = random.gauss(0, 1.5)
        right = random.random() < 1 / (1 + exp(difficulty - 1.2))
        samples = [random.random() < 1 / (1 + exp(difficulty + 0.3)) for _ in range(4)]
        lengths = [int(exp(random.gauss(7.4 + 0.3 * difficulty, 0.6))) for _ in range(2)]
        judged = 0.9 * (right - samples[0]) + 0.3 * log(lengths[0] / lengths[1]) + random.gauss(0.3, 1)
        name = f"pair{number}"
        rates[name] = sum(samples) / 4
        sides = {"chosen_correct": right, "rejected_correct": samples[0]}
        pairs.append(pair(name, prompt_id=name, chosen_tokens=lengths[0], rejected_tokens=lengths[1], **sides))
        deltas.append(delta(name, max(-4, min(4, round(judged)))))
    return pairs, deltas, rates


@pytest.mark.parametrize("on", MATCHED_ON)
@pytest.mark.parametrize("seed", range(3))
def test_matching_makes_sets_alike_in_all_that_is_matched(on, seed):
    pairs, deltas, rates = real_like(1500, seed)
    matched, top, quality = match(f"matched-{on}-mean-300", pairs, deltas, rates, tie_seed=seed)
    assert len(set(matched)) == len(matched) == 300
    assert not set(matched) & set(top)
    asked = [line for line in quality.balance if line.matched_on]
    assert [line.covariate for line in asked] == list(MATCHED_ON[on])
    for line in asked:
        assert abs(line.before) > 0.1  # else there would be nothing to mend
        assert abs(line.after) < min(0.1, abs(line.before) / 3)


def test_what_is_not_matched_stays_as_it_was():
    pairs, deltas, rates = real_like(1500, 0)
    _, _, quality = match("matched-length-mean-300", pairs, deltas, rates)
    rejected = next(line for line in quality.balance if line.covariate == "rejected_right")
    assert rejected.after == pytest.approx(rejected.before, abs=0.15)
    assert abs(rejected.after) > 0.3
