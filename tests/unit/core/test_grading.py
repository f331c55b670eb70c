import pytest

from prefdelta.core.grading import grade_reply
from prefdelta.graders.marker import grade as marker


@pytest.mark.parametrize(
    ("text", "finish_reason", "failure", "expected"),
    [
        ("1+1=2;A:2", "stop", None, ("2", True, None)),
        ("1+1=3;A:3", "stop", None, ("3", False, None)),
        ("1+1=2", "stop", None, (None, None, "no_answer")),
        ("", "stop", None, (None, None, "no_answer")),
        (None, "stop", None, (None, None, "no_answer")),
        # A truncated trace is a state, not a grade: not even if an answer is in it.
        ("1+1=2;A:2", "length", None, (None, None, "truncated")),
        # A failed draw keeps its own reason.
        (None, None, "too_long", (None, None, "too_long")),
        (None, "length", "quarantined", (None, None, "quarantined")),
    ],
)
def test_a_reply_is_right_wrong_or_says_why_neither(text, finish_reason, failure, expected):
    assert grade_reply(marker, text, finish_reason, failure, ["2"]) == expected


def test_a_wrong_answer_is_not_taken_for_a_missing_one():
    assert grade_reply(lambda text, answers: ("", False), "x", "stop", None, ["2"]) == ("", False, None)
