"""Selections of pairs whose sides are equally long on the whole."""

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.selections import parse_selection
from unit.pair_tables import count_ties, select
from unit.rows import pair


def pairs(differences, chosen=True, rejected=True, start=0):
    return [
        pair(
            f"pair{start + place:02}", chosen_tokens=500 + difference, rejected_tokens=500, chosen_correct=chosen,
            rejected_correct=rejected,
        )
        for place, difference in enumerate(differences)
    ]  # fmt: skip


def taken(name, rows):
    return [row.pair_id for row in select(parse_selection(name), rows, {}, 0)]


def test_the_sum_of_the_differences_stays_near_0_although_most_chosen_traces_are_longer():
    rows = pairs([1, 2, 3, 4, 50, 60, -5, -70])
    assert taken("alike-4", rows) == ["pair00", "pair06", "pair01", "pair02"]
    assert taken("alike-1", pairs([3, -2, 0])) == ["pair02"]


@pytest.mark.parametrize(
    ("differences", "found"),
    [
        (
            [500, 510, 520, 530],
            "505.0 tokens longer than .* All 4 eligible pairs differ by a standard deviation of 11.2",
        ),
        ([7, 7], "7.0 tokens longer"),
        ([-40, -44, -48], "42.0 tokens shorter"),
    ],
)
def test_pairs_that_are_not_equally_long_on_the_whole_are_refused(differences, found):
    with pytest.raises(StudyError, match=found):
        taken("alike-2", pairs(differences))


def test_a_quarter_of_a_standard_deviation_of_all_pairs_is_equally_long():
    """The two taken are 5 longer. A quarter of the deviation of all six is 8; of the four that are alike, 4."""
    rows = [*pairs([5, 5, 40, 40]), *pairs([-40, -40], True, False, start=4)]
    assert set(taken("alike-2", rows)) == {"pair00", "pair01"}


def test_which_pairs_are_taken_goes_by_correctness():
    rows = [
        *pairs([0], True, True),
        *pairs([0], False, False, start=1),
        *pairs([0], True, False, start=2),
        *pairs([0], False, True, start=3),
        *pairs([0], None, None, start=4),
    ]
    assert set(taken("alike-2", rows)) == {"pair00", "pair01"}
    assert taken("right-over-wrong-1", rows) == ["pair02"]
    with pytest.raises(StudyError, match="asks for 2 pairs, but only 1"):
        taken("right-over-wrong-2", rows)


@pytest.mark.parametrize("name", ["alike-2", "right-over-wrong-2"])
def test_no_last_value_divides_the_taken_pairs_from_the_others(name):
    rows = [*pairs([1, 1, 1, -9]), *pairs([1, 1, 1, -9], True, False, start=4)]
    assert count_ties(parse_selection(name), rows, {}) is None


def test_pairs_without_grades_are_refused():
    with pytest.raises(StudyError, match="needs the lengths and the correctness of both sides"):
        taken("alike-1", pairs([1, 2], None, None))
