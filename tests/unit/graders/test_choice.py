import time

import pytest

from prefdelta.graders.choice import grade, upstream


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        # A box first, if it holds a letter.
        (r"The answer is (A). \boxed{C}", "C"),
        (r"\boxed{\text{(D)}}", "D"),
        (r"\boxed{E. 5 m}", "E"),
        (r"\boxed{42}, so the answer is (B)", "B"),
        (r"\boxed{A = 4}, so the answer is (B)", "B"),
        # Then what is announced; the last counts.
        ("The answer is (C).", "C"),
        ("The answer is C.", "C"),
        ("The answer is: **C**", "C"),
        (r"The answer is $\text{C}$.", "C"),
        (r"The answer is \(C\).", "C"),
        ("The answer is (A). No: the answer is (B). D", "B"),
        ("The answer is (B). Answer: C. D", "C"),
        ("Answer: A\nso: Answer: (D)\nE", "D"),
        ("It must be J, not (H)", "H"),
        ("the answer is Berlin, option F", "F"),
        (r"\boxed{c}", "C"),
        (r"\boxed{\text{(c)}}", "C"),
        (r"\boxed{\textbf{C}.}", "C"),
        (r"$\boxed{\mathrm{(C)}\ 5.30\ \mathrm{MeV}}$", "C"),
        (r"\boxed{Option C}", "C"),
        (r"\boxed{\text{Answer: C}}", "C"),
        (r"\boxed{E - A polygenic risk score}", "E"),
        (r"\boxed{\text{E – A polygenic risk score}}", "E"),
        (r"\boxed{E: A polygenic risk score}", "E"),
        (r"\boxed{(e) a polygenic risk score}", "E"),
        (r"\boxed{a. 5 m}", "A"),
        (r"\boxed{e - a polygenic risk score}", "E"),
        (r"\boxed{E - 1}", "E"),
        (r"\boxed{a - b}, so D", "D"),
        (r"\boxed{\text{C. $\frac{1}{e}$}}", "C"),
        (r"\boxed{C - $\frac{1}{e}$}", "C"),
        # Several are none.
        (r"\boxed{A, C}", None),
        (r"\boxed{A or B}", None),
        (r"\boxed{\text{A and C}}. The answer is A.", None),
        (r"\boxed{(A), (B), and (C)}", None),
        (r"\boxed{A} and \boxed{C}", None),
        ("The answer is A or B.", None),
        ("The correct answers: the answer is (A) and (C)", None),
        ("The answer is both A and C.", None),
        # Announced in other words.
        ("The correct choice is C. I checked it.", "C"),
        ("ANSWER IS D. A is incorrect.", "D"),
        ("ANSWER: d", "D"),
        ("Answer: (d)", "D"),
        ("The correct answer is d.", "D"),
        ("The correct option: **B**\n\nA voltage is induced.", "B"),
        ("The best answer would be option B, as I said. A is wrong", "B"),
        ("### Final Answer\n**C. 5.30 MeV**\n\nI hope this helps.", "C"),
        ("**Answer**\n\nC\n\nA is the opposite", "C"),
        ("C is the correct answer. A and B are not.", "C"),
        ("Option C is correct; A is not", "C"),
        ("The answer is C, A is wrong", "C"),
        ("The answer is C and I am sure", "C"),
        ("The answer is A because of B", "A"),
        ("The answer is I.", "I"),
        ("The answer is (a) 2 A, (b) 3 A, which corresponds to option C.", "C"),
        # The line that starts with an option.
        ("C. A voltage is induced", "C"),
        ("(C) A voltage is induced by D", "C"),
        ("C - A voltage", "C"),
        ("It rises.\n\n**C. Vitamin D**\n\nI hope this helps.", "C"),
        ("A. no\nB. yes\nC. no\n\nSo B", "B"),
        ("c", "C"),
        ("(c)", "C"),
        # English words, units and variables are no options.
        (r"\boxed{5.3\ \text{MeV}}. I am confident.", None),
        ("I think it is D, as I said. I hope this helps.", "D"),
        ("A voltage is induced.", None),
        ("Answer: A voltage is induced.", None),
        ("It is a voltage. I'm sure", None),
        ("It is B. That makes 5 J", "B"),
        ("It is B, since E = 3", "B"),
        ("The answer is E = 3 J, option B", "B"),
        ("It is B, as A* finds", "B"),
        ("It is B, by I-V curves of B-cells", "B"),
        ("The answer is A voltage, which is option D.", "D"),
        ("The answer is A voltage.", "A"),
        ("Answer: A) 41,558 for route C", "A"),
        (r"It is B: $\\vec{F} = C(9, 3)\\, f(D)$", "B"),
        ("It must be A", "A"),
        ("Neither B nor I. It is A.", "A"),
        # Only options count.
        ("The answer is (K).", None),
        ("the answer is 5", None),
        ("BCD", None),
        ("", None),
        # What is reasoned is not said.
        ("<think>The answer is (A).</think>The answer is (B).", "B"),
        ("<think>The answer is (A).</think>", None),
        ("<think>The answer is (A).", None),
    ],
)
def test_the_chosen_letter_is_found(text, chosen):
    assert grade(text, ["C"]) == (None if chosen is None else (chosen, chosen == "C"))


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("The answer is (A). No: the answer is (B).", "A"),  # the first
        ("the answer is Berlin", "B"),
        ("Answer: A, or Answer: B\nAnswer: C", "B"),  # the last of the first line
        ("Answer:\nC", "C"),
        ("The correct choice is C. I checked it.", "I"),
        (r"\boxed{c}. A voltage is induced", "A"),
        ("<think>The answer is (A).</think>So C", "C"),
    ],
)
def test_upstreams_rule_is_mmlu_pros_own(text, chosen):
    assert [letter for letter in "ABCDEFGHIJ" if upstream(text, [letter])] == [chosen]


@pytest.mark.parametrize("text", ["", "I see.".replace("I", "K"), "<think>The answer is (A)."])
def test_upstreams_guess_is_left_out(text):
    assert not any(upstream(text, [letter]) for letter in "ABCDEFGHIJ")


@pytest.mark.parametrize(
    "part", ["answer is ", "A or ", "answer is A and B, ", "(A", "A. x\n", "\n\n", "*", "the answer ", "correct "]
)
def test_a_loop_of_words_takes_no_time(part):
    began = time.process_time()
    grade(part * 20_000, ["C"])
    upstream(part * 20_000, ["C"])
    assert time.process_time() - began < 5
