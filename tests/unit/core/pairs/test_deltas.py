from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefdelta.core.ids import fraction
from prefdelta.core.pairs.overlap import overlaps
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.core.statistics import rank_correlation
from unit.pair_tables import sample_deltas, select
from unit.rows import judgement, pair

Scores = list[int]  # of one trace, by dimension


def deltas(pairs, judgements, components=("factuality",)):
    return sample_deltas("strong", "weak", pairs, judgements, components)


def test_a_delta_is_the_score_of_chosen_minus_that_of_rejected():
    judgements = [judgement("strong", "factuality", 5), judgement("weak", "factuality", 2)]
    (row,) = deltas([pair()], judgements)
    assert (row.chosen_score, row.rejected_score, row.delta, row.failure) == (5.0, 2.0, 3.0, None)


def test_a_delta_is_negative_where_the_rejected_trace_was_judged_better():
    judgements = [judgement("strong", "factuality", 1), judgement("weak", "factuality", 5)]
    assert deltas([pair()], judgements)[0].delta == -4.0


@pytest.mark.parametrize(
    ("chosen", "rejected", "failure"),
    [(None, 4, "chosen_unjudged"), (4, None, "rejected_unjudged"), (None, None, "chosen_unjudged")],
)
def test_a_failed_judgement_gives_a_failure_and_no_number(chosen, rejected, failure):
    judgements = [judgement("strong", "factuality", chosen), judgement("weak", "factuality", rejected)]
    (row,) = deltas([pair()], judgements)
    assert (row.delta, row.failure) == (None, failure)


def test_a_side_that_was_never_judged_gives_a_failure_and_no_number():
    (row,) = deltas([pair()], [judgement("strong", "factuality", 4)])
    assert (row.rejected_score, row.delta, row.failure) == (None, None, "rejected_unjudged")


def test_a_pair_that_may_not_be_trained_on_has_no_delta_even_if_both_sides_were_judged():
    judgements = [judgement("strong", "factuality", 5), judgement("weak", "factuality", 2)]
    (row,) = deltas([pair(eligible=False, reason="identical")], judgements)
    assert (row.delta, row.failure) == (None, "not_eligible")


def test_a_pair_without_a_trace_on_one_side_has_no_delta():
    (row,) = deltas([pair(chosen_sample=None, eligible=False)], [judgement("weak", "factuality", 2)])
    assert (row.chosen_score, row.delta, row.failure) == (None, None, "not_eligible")


def test_a_composite_is_the_mean_of_its_components():
    judgements = [
        judgement("strong", "factuality", 5),
        judgement("strong", "step_coherence", 4),
        judgement("weak", "factuality", 3),
        judgement("weak", "step_coherence", 1),
    ]
    (row,) = deltas([pair()], judgements, ["factuality", "step_coherence"])
    # (5 + 4) / 2 - (3 + 1) / 2
    assert (row.chosen_score, row.rejected_score, row.delta) == (4.5, 2.0, 2.5)


def test_a_composite_with_a_failed_component_is_a_failure_not_the_mean_of_the_rest():
    judgements = [
        judgement("strong", "factuality", 5),
        judgement("strong", "step_coherence", None),
        judgement("weak", "factuality", 3),
        judgement("weak", "step_coherence", 1),
    ]
    (row,) = deltas([pair()], judgements, ["factuality", "step_coherence"])
    assert (row.chosen_score, row.delta, row.failure) == (None, None, "chosen_unjudged")


@pytest.mark.parametrize(
    ("chosen", "rejected", "delta"),
    [
        ([1, 2, 2], [2, 2, 1], 0.0),
        ([2, None, 2], [2, 2, 2], 0.0),  # 4/2 and 6/3
        ([2, 2, 3], [1, 1, 2], 1.0),  # 7/3 - 4/3, which floats make 1.0000000000000002
        ([5, 4, 4], [3], 4 / 3),
        ([4, 5], [1, 1, 2], 19 / 6),
    ],
)
def test_a_score_is_the_mean_of_the_votes_that_did_not_fail_and_nothing_is_rounded_on_the_way(chosen, rejected, delta):
    judgements = [judgement("strong", "factuality", *chosen), judgement("weak", "factuality", *rejected)]
    assert deltas([pair()], judgements)[0].delta == delta


def test_a_composite_of_means_is_rounded_once():
    judgements = [
        judgement("strong", "factuality", 4, 4, 5),
        judgement("strong", "step_coherence", 4, 3, 3),
        judgement("weak", "factuality", 3, 3, 4),
        judgement("weak", "step_coherence", 3, 2, 2),
    ]
    # 13/3 and 10/3, 10/3 and 7/3
    assert deltas([pair()], judgements, ["factuality", "step_coherence"])[0].delta == 1.0


def test_a_failed_judgement_of_another_dimension_does_no_harm():
    judgements = [
        judgement("strong", "factuality", 5),
        judgement("strong", "step_coherence", None),
        judgement("weak", "factuality", 3),
    ]
    assert deltas([pair()], judgements)[0].delta == 2.0


def test_scores_are_joined_by_prompt_generator_sample_and_dimension():
    wanted = pair(chosen_sample=2, rejected_sample=1)
    judgements = [
        judgement("strong", "factuality", 1, sample=0),
        judgement("strong", "factuality", 5, sample=2),
        judgement("weak", "factuality", 2, sample=1),
        judgement("weak", "factuality", 4, sample=2),
        judgement("weak", "step_coherence", 3, sample=1),
        judgement("strong", "factuality", 3, sample=2, prompt_id="p2"),
    ]
    for order in (judgements, judgements[::-1]):
        assert deltas([wanted], order)[0].delta == 3.0  # 5 - 2


def test_a_generator_paired_with_itself_is_scored_by_sample():
    judgements = [judgement("strong", "factuality", 5), judgement("strong", "factuality", 3, sample=1)]
    (row,) = sample_deltas("strong", "strong", [pair(rejected_sample=1)], judgements, ["factuality"])
    assert row.delta == 2.0


def test_pairs_in_are_deltas_out():
    pairs = [pair("a"), pair("b", eligible=False), pair("c", prompt_id="unjudged")]
    assert [row.pair_id for row in deltas(pairs, [])] == ["a", "b", "c"]


def composite(sides: list[tuple[Scores, Scores]]):
    """Pairs p0, p1, ... with their deltas on the mean of all dimensions, and the deltas as fractions."""
    names = [f"d{number}" for number in range(len(sides[0][0]))]
    pairs = [pair(f"p{at}", prompt_id=f"p{at}") for at in range(len(sides))]
    judgements = [
        judgement(generator, name, score, prompt_id=f"p{at}")
        for at, side in enumerate(sides)
        for generator, scores in zip(("strong", "weak"), side, strict=True)
        for name, score in zip(names, scores, strict=True)
    ]
    found = {row.pair_id: row for row in deltas(pairs, judgements, names)}
    exact = {f"p{at}": Fraction(sum(left) - sum(right), len(names)) for at, (left, right) in enumerate(sides)}
    return pairs, found, exact


# 4.8 - 4.0, 4.2 - 3.4 and 3.4 - 2.6 are three floats.
EIGHT_TENTHS = [([4, 5, 5, 5, 5], [4] * 5), ([4, 4, 4, 4, 5], [3, 3, 3, 4, 4]), ([3, 3, 3, 4, 4], [2, 2, 3, 3, 3])]
# The middle one is less than 0.
SIGNS = [([4, 4, 3], [5, 5, 1]), ([4, 4, 2], [5, 5, 1]), ([5, 5, 5], [5, 5, 5])]


@st.composite
def scored_pairs(draw: st.DrawFn) -> list[tuple[Scores, Scores]]:
    scores = st.lists(st.integers(1, 5), min_size=(size := draw(st.integers(1, 7))), max_size=size)
    return draw(st.lists(st.tuples(scores, scores), min_size=2, max_size=12))


@given(scored_pairs())
@example(EIGHT_TENTHS)
@example(SIGNS)
def test_deltas_of_composites_are_equal_and_ordered_as_fractions_are(sides):
    pairs, found, exact = composite(sides)
    for first in exact:
        for second in exact:
            left, right = found[first].delta, found[second].delta
            assert (left < right, left == right) == (exact[first] < exact[second], exact[first] == exact[second])
    # Everything that reads deltas goes by this order: selections, ...
    for kind, sign in (("top", -1), ("bottom", 1)):
        stated = sorted(exact, key=lambda pair_id: (sign * exact[pair_id], fraction("ties", "mean", 3, 0, pair_id)))
        k = (len(pairs) + 1) // 2
        chosen = select(parse_selection(f"{kind}-mean-{k}"), pairs, found, 3)
        assert [row.pair_id for row in chosen] == stated[:k]
    # ... what top sets share with those of the same order in whole numbers, ...
    values = sorted(set(exact.values()))
    ranked = {pair_id: replace(row, delta=float(values.index(exact[pair_id]))) for pair_id, row in found.items()}
    dimensions = {"mean": found, "ranked": ranked, "again": ranked}
    assert len({one.shared for one in overlaps(pairs, dimensions, [k])}) == 1
    # ... and rank correlations.
    order = list(exact)
    lengths = [(7 * at) % len(order) for at in range(len(order))]
    by_delta, by_rank = (
        rank_correlation(xs, lengths)
        for xs in ([found[pair_id].delta for pair_id in order], [ranked[pair_id].delta for pair_id in order])
    )
    assert by_delta == by_rank
