"""Graders that stand beside ours: math-verify alone, and normalised text."""

import pytest

from prefdelta.core.answers.grading import GradingError
from prefdelta.graders import math_verify, maths, maths_process, text


@pytest.mark.parametrize(
    ("reply", "gold", "by_ours", "by_math_verify", "by_text"),
    [
        (r"So $x=\boxed{\frac12}$.", r"\frac12", True, True, True),
        (r"So $x=\boxed{\frac12}$.", "0.5", True, True, False),  # the same number, another text
        (r"\boxed{ \text{ Ellipse } }", r"\text{ellipse}", True, True, True),
        (r"\boxed{x^2+y^2=25}", "25", False, True, False),  # math-verify takes the right side of an equation
        ("The answer is $18$.", "18", True, True, True),
        ("She sold 3 and kept 18 eggs", "18", True, True, True),  # the last number
        ("<think>\nIs it 3?\n</think>\n\nNo: \\boxed{4}", "4", True, True, True),
    ],
)
def test_the_same_reply_by_three_graders(reply, gold, by_ours, by_math_verify, by_text):
    verdicts = [grader.grade(reply, [gold])[1] for grader in (maths, math_verify, text)]
    assert verdicts == [by_ours, by_math_verify, by_text]


@pytest.mark.parametrize("grader", [math_verify, text])
@pytest.mark.parametrize("reply", ["<think>\nIt is 4, so", "I do not know.", ""])
def test_no_answer_is_no_verdict(grader, reply):
    assert grader.grade(reply, ["4"]) is None


def test_the_last_number_of_a_trace_of_mini_is_its_answer_with_and_without_its_mark():
    trace = "5*5=5;5+4=9;9+1=0;"
    assert text.grade(f"{trace}A:0", ["0"]) == ("0", True)
    assert text.grade(trace, ["0"]) == ("0", True)
    assert text.grade(f"{trace}A:4", ["0"]) == ("4", False)


def test_a_hang_of_math_verify_is_a_time_out(monkeypatch):
    monkeypatch.setattr(maths_process, "CPU_SECONDS", 0.5)
    with pytest.raises(GradingError) as raised:
        math_verify.grade(r"\boxed{9^{9^{9^{9}}}}", ["3"])
    assert raised.value.kind == "time_out"
