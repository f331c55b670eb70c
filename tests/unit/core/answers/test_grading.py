import time
from types import SimpleNamespace

import pytest

from prefdelta.core.answers.grading import GradingError, grade_all, grader_reasons
from prefdelta.core.errors import StudyError
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
    answer = SimpleNamespace(text=text, finish_reason=finish_reason, failure=failure)
    assert grade_all([(marker, answer, ["2"])], 2) == [(*expected, None)]


def test_a_wrong_answer_is_not_taken_for_a_missing_one():
    answer = SimpleNamespace(text="x", finish_reason="stop", failure=None)
    assert grade_all([(lambda text, answers: ("", False), answer, ["2"])], 1) == [("", False, None, None)]


def test_what_a_grader_cannot_say_is_a_state_and_not_wrong():
    def hangs(text, answers):
        raise GradingError("time_out", "no result within 5 s")

    answer = SimpleNamespace(text="x", finish_reason="stop", failure=None)
    assert grade_all([(hangs, answer, ["2"])], 1) == [(None, None, "time_out", "time_out: no result within 5 s")]


def test_grades_come_in_the_order_of_the_answers_however_long_each_takes():
    def slow(text, answers):
        time.sleep(float(text))
        return text, text == answers[0]

    answers = [SimpleNamespace(text=text, finish_reason="stop", failure=None) for text in ("0.05", "0", "0.02")]
    graded = grade_all([(slow, answer, ["0"]) for answer in answers], 3)
    assert [one[:3] for one in graded] == [("0.05", False, None), ("0", True, None), ("0.02", False, None)]


@pytest.mark.parametrize("error", [OverflowError, RecursionError, MemoryError, ValueError, OSError, AssertionError])
def test_whatever_a_grader_raises_is_the_failure_of_that_answer_alone(error):
    def raises_once(text, answers):
        if text == "odd":
            raise error("such a number")
        return text, True

    answers = [SimpleNamespace(text=text, finish_reason="stop", failure=None) for text in ("1", "odd", "2")]
    graded = grade_all([(raises_once, answer, ["1"]) for answer in answers], 2)
    assert [one.failure for one in graded] == [None, "grader_error", None]
    assert [one.correct for one in graded] == [True, None, True]
    assert grader_reasons(graded) == {f"{error.__name__}: such a number": 1}


@pytest.mark.parametrize("error", [StudyError, KeyboardInterrupt, SystemExit])
def test_what_concerns_every_answer_ends_grading(error):
    def raises(text, answers):
        raise error("no bubblewrap")

    answer = SimpleNamespace(text="x", finish_reason="stop", failure=None)
    with pytest.raises(error):
        grade_all([(raises, answer, ["1"])], 1)
