import pytest

from prefdelta.core.final_answers import theoremqa_answer
from prefdelta.core.grading import GradingError
from prefdelta.graders import maths_process
from prefdelta.graders.theoremqa import grade


@pytest.mark.parametrize(
    ("text", "answer", "answer_type", "expected"),
    [
        # Where the answer is: a box, "answer is", the last line.
        (r"The answer is 3. \boxed{4}", "4", "integer", ("4", True)),
        ("The answer is 4.\nI hope that helps 5 people.", "4", "integer", ("4", True)),
        ("We get 2, then\nso it is 4 in all", "4", "integer", ("so it is 4 in all", True)),
        ("I cannot say.", "4", "integer", None),
        (r"\boxed{\text{undefined}}", "4", "integer", (r"\text{undefined}", False)),
        # Numbers.
        ("The answer is 3.6", "4", "integer", ("3.6", True)),
        ("The answer is 3.4", "4", "integer", ("3.4", False)),
        ("The answer is x = 0.52 m", "0.5", "float", ("x = 0.52 m", True)),
        ("The answer is 0.53", "0.5", "float", ("0.53", False)),
        (r"\boxed{\frac{1}{2}}", "0.5", "float", (r"\frac{1}{2}", True)),
        (r"\boxed{50\%}", "0.5", "float", (r"50\%", True)),
        (r"\boxed{1.5 \times 10^{-3}}", "0.0015", "float", (r"1.5 \times 10^{-3}", True)),
        ("The answer is 1.5 × 10^{-3} m", "0.0015", "float", ("1.5 × 10^{-3} m", True)),
        (r"\boxed{e^{-2} \approx 0.135}", "0.135", "float", (r"e^{-2} \approx 0.135", True)),
        (r"\boxed{2i}", "2", "float", ("2i", False)),
        # Lists, in any order.
        ("The answer is [2, 1]", "[1, 2]", "list of integer", ("[2, 1]", True)),
        (r"\boxed{(\frac{1}{2}, \sqrt{2})}", "[0.5, 1.41]", "list of float", (r"(\frac{1}{2}, \sqrt{2})", True)),
        (r"$x = \boxed{1}$ and $y = \boxed{2}$", "[1, 2]", "list of integer", ("1, 2", True)),
        ("The answer is [1, 2, 3]", "[1, 2]", "list of integer", ("[1, 2, 3]", False)),
        # Truths and options.
        (r"\boxed{\text{True}}", "True", "bool", (r"\text{True}", True)),
        ("The answer is no.", "True", "bool", ("no", False)),
        ("I don't know.", "False", "bool", None),  # upstream finds "no" in "know"
        ("The answer is (b)", "(b)", "option", ("(b)", True)),
        (r"\boxed{B}", "(b)", "option", ("B", True)),
        ("The answer is (a) or (b)", "(b)", "option", ("(a) or (b)", False)),
        # What is reasoned is not said.
        ("<think>The answer is 4.</think>The answer is 5.", "4", "integer", ("5", False)),
        ("<think>The answer is 4.", "4", "integer", None),
        ("", "4", "integer", None),
    ],
)
def test_answers_are_compared_by_their_type(text, answer, answer_type, expected):
    assert grade(text, [theoremqa_answer(answer, answer_type)]) == expected


def test_a_number_that_cannot_be_evaluated_in_time_is_no_wrong_answer(monkeypatch):
    monkeypatch.setattr(maths_process, "CPU_SECONDS", 0.5)
    with pytest.raises(GradingError) as caught:
        grade(r"\boxed{9^{9^{9^{9}}}}", [theoremqa_answer("4", "integer")])
    assert caught.value.kind == "time_out"
