import pytest

from prefdelta.graders.choice import grade


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        # A box first, if it holds a letter.
        (r"The answer is (A). \boxed{C}", "C"),
        (r"\boxed{\text{(D)}}", "D"),
        (r"\boxed{E. 5 m}", "E"),
        (r"\boxed{42}, so the answer is (B)", "B"),
        (r"\boxed{A = 4}, so the answer is (B)", "B"),
        # Then MMLU-Pro's own order.
        ("The answer is (C).", "C"),
        ("The answer is C.", "C"),
        ("The answer is: **C**", "C"),
        (r"The answer is $\text{C}$.", "C"),
        (r"The answer is \(C\).", "C"),
        ("The answer is (A). No: the answer is (B). Answer: C. D", "B"),
        ("Answer: A\nso: Answer: (D)\nE", "D"),
        ("It must be J, not (H)", "H"),
        ("the answer is Berlin, option F", "F"),
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
