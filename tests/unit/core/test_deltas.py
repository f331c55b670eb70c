import pytest

from prefdelta.core.deltas import sample_deltas
from unit.rows import judgement, pair


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
