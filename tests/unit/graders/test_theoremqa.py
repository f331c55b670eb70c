import pytest

from prefdelta.core.answers.final_answers import theoremqa_answer
from prefdelta.core.answers.grading import GradingError
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
        ("The answer is 7 × 10^-24.", "7e-24", "float", ("7 × 10^-24", True)),
        ("The answer is 7 × 10^-24.", "1e-24", "float", ("7 × 10^-24", False)),
        ("The answer is 7.5 x 10^3.", "7500.0", "float", ("7.5 x 10^3", True)),
        ("The answer is 3.0 × 10^8 m/s.", "300000000.0", "float", ("3.0 × 10^8 m/s", True)),
        ("so we get 7 × 10^-24 J", "7e-24", "float", ("so we get 7 × 10^-24 J", True)),
        ("The answer is 2 × 3^-1", "0.667", "float", ("2 × 3^-1", True)),
        ("The answer is 2*pi", "6.28", "float", ("2*pi", True)),
        ("The answer is 0}^{1} 8y -", "8", "integer", ("0}^{1} 8y -", False)),  # not one of the numbers in it
        ("The answer is 10^400", "4", "integer", ("10^400", False)),
        ("The answer is 1e400", "4.0", "float", ("1e400", False)),
        ("The answer is " + "1" * 600, "4", "integer", ("1" * 600, False)),
        ("it is " + "1" * 5000, "4", "integer", ("it is " + "1" * 5000, False)),
        (r"\boxed{2^{2000}}", "4.0", "float", (r"2^{2000}", False)),
        ("The answer is 9**9**9", "4", "integer", ("9**9**9", False)),
        ("The answer is 12345678901234567890", "12345678901234567890", "integer", ("12345678901234567890", True)),
        ("The answer is 12345678901234567891", "12345678901234567890", "integer", ("12345678901234567891", False)),
        # A percentage is a hundredth; of one that must be above 1 the right answer may be in percent.
        ("The answer is 54.8%", "0.548", "float", ("54.8%", True)),
        ("The answer is 54.8%", "54.8", "float", ("54.8%", True)),
        ("The answer is 0.5%", "0.5", "float", ("0.5%", False)),
        ("The answer is $1.5 million", "1500000", "integer", ("$1.5 million", True)),
        ("The answer is 3.6 million", "3.6", "float", ("3.6 million", True)),
        ("The answer is 2 sqrt(3)", "3.464", "float", ("2 sqrt(3)", True)),
        ("The answer is π/2 rad", "1.5708", "float", ("π/2 rad", True)),
        ("The answer is 2 3", "6", "integer", ("2 3", False)),
        # Truths for numbers, as upstream.
        ("The answer is True.", "1", "integer", ("True", True)),
        (r"\boxed{\text{Yes}}", "1.0", "float", (r"\text{Yes}", True)),
        ("The answer is Yes, it converges.", "1", "integer", ("Yes, it converges", True)),
        ("The answer is False", "0.0", "float", ("False", True)),
        ("The answer is False", "1", "integer", ("False", False)),
        ("So:\n**True**", "1", "integer", ("True", True)),
        ("The answer is None", "0", "integer", ("None", False)),  # upstream finds "no" in it
        ("The answer is no solution", "0", "integer", ("no solution", False)),
        ("The answer is 1", "True", "bool", ("1", False)),
        # Lists, in any order.
        ("The answer is [1 × 10^-3, 2e-3]", "[0.001, 0.002]", "list of float", ("[1 × 10^-3, 2e-3]", True)),
        ("The answer is [1e400, 2]", "[1, 2]", "list of integer", ("[1e400, 2]", False)),
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
