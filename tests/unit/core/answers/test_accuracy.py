import pytest

from prefdelta.core.answers.accuracy import count_outcomes, outcome
from unit.rows import grade


@pytest.mark.parametrize(
    ("correct", "failure", "expected"),
    [
        (True, None, 1),
        (False, None, 0),
        (None, "truncated", 0),  # the model did not answer in time
        (None, "no_answer", 0),
        (None, "time_out", None),  # our grader failed, not the model
        (None, "too_long", None),
        (None, "rejected", None),
    ],
)
def test_an_outcome_is_the_models_doing_or_nothing(correct, failure, expected):
    assert outcome(grade(correct=correct, failure=failure)) == expected


def test_what_we_failed_to_grade_is_in_neither_count():
    rows = [grade(correct=True)] * 3 + [grade(correct=False)] * 2
    rows += [grade(correct=None, failure="truncated"), grade(correct=None, failure="time_out")]
    assert count_outcomes(rows) == (3, 6)


def test_no_rows_are_no_trials():
    assert count_outcomes([]) == (0, 0)
