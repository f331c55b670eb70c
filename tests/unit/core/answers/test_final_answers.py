import json
import time

import pytest

from prefdelta.core.answers.final_answers import (
    boxed,
    braced_powers,
    list_items,
    option,
    plain,
    stated,
    theoremqa_answer,
    truth,
)
from prefdelta.core.errors import StudyError


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        (r"so \boxed{5}.", ["5"]),
        (r"\boxed{\frac{1}{2}} m", [r"\frac{1}{2}"]),
        (r"\boxed{\left\{1, 2\right.} and {", [r"\left\{1, 2\right."]),  # escaped braces are no brackets
        (r"First \boxed{3}. But then \boxed{4}", ["4"]),
        (r"\boxed{3}" + "\n\n" + r"\boxed{4}", ["4"]),
        (r"$x=\boxed{1}$ and $y = \boxed{2}$", ["1", "2"]),
        (r"\boxed{1}, \boxed{2} \quad \text{or} \quad \boxed{3}", ["1", "2", "3"]),
        (r"\boxed{7}, \boxed{7}", ["7"]),
        (r"\boxed{\boxed{3}}", ["3"]),
        (r"\fbox{8}", ["8"]),
        (r"\boxed{4}. Wait, \boxed{5", ["4"]),  # the last is never closed
        (r"\boxed{}", []),
        (r"\boxed 5", []),
        ("none", []),
    ],
)
def test_the_last_box_or_list_of_boxes_is_found(text, contents):
    assert boxed(text) == contents


def test_a_loop_of_open_boxes_takes_no_time():
    began = time.process_time()
    assert boxed(r"\boxed{" * 50_000) == []
    assert braced_powers("5^(" * 50_000) == "5^(" * 50_000
    assert list_items("[1, " * 20_000)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 5.", "5"),
        ("The answer is: **5**.", "5"),
        ("the Answer is 4. No, the answer is $5$.", "5"),
        ("**Final Answer:**\n\\(x = 3\\)\nDone.", "x = 3"),
        ("Answer: (b)", "(b)"),
        ("There is no answer.", None),
        ("The answer is", None),
        ("", None),
    ],
)
def test_what_is_called_the_answer_is_found(text, answer):
    assert stated(text) == answer


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"\text{Evelyn}", "evelyn", True),
        ("$ 3 $.", "3", True),
        (r"\left( 1, 2 \right)", "(1,2)", True),
        ("x", "X", False),  # symbols are not words
        ("3", "4", False),
    ],
)
def test_texts_are_compared_without_their_dress(one, other, same):
    assert (plain(one) == plain(other)) is same


def test_powers_in_parentheses_get_braces_at_any_depth():
    assert braced_powers("5^(5^(5^(5))) + (2) + 2^{3}") == "5^{5^{5^{5}}} + (2) + 2^{3}"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[1, 2]", ["1", "2"]),
        ("(1, 2)", ["1", "2"]),
        (r"\{1, 2\}", ["1", "2"]),
        ("1, 2 and 3", ["1", "2", "3"]),
        ("(x, y) = (3, 4)", ["3", "4"]),
        ("x = 3, y = 4", ["x = 3", "y = 4"]),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", ["1", "2"]),
        (r"\left(\frac{1}{2}, \sqrt{2}\right)", [r"\frac{1}{2}", r"\sqrt{2}"]),
        ("[[1, 2], [3, 4]]", ["1", "2", "3", "4"]),
        ("((1, 2), (3, 4))", ["1", "2", "3", "4"]),
        ("[]", []),
    ],
)
def test_lists_are_opened(text, items):
    assert list_items(text) == items


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("True", True),
        (r"\text{Yes}", True),
        ("false.", False),
        ("No, never", False),
        ("I know nothing", None),
        ("", None),
    ],
)
def test_truths_are_words(text, value):
    assert truth(text) is value


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("(b)", "(b)"), ("B", "(b)"), (r"\text{(C)}", "(c)"), ("a) all", "(a)"), ("(g)", None), ("bad", None), ("", None)],
)
def test_options_are_letters(text, chosen):
    assert option(text) == chosen


@pytest.mark.parametrize(
    ("answer", "answer_type", "value"),
    [
        ("True", "bool", True),
        ("20", "integer", 20),
        ("20", "float", 20),
        ("1.0", "float", 1.0),
        ("[1, 2]", "list of integer", [1, 2]),
        ("[0.5, -2]", "list of float", [0.5, -2]),
        ("[[1, 2], [3, 4]]", "list of integer", [1, 2, 3, 4]),
        ("(b)", "option", "(b)"),
    ],
)
def test_theoremqas_fields_become_one_text(answer, answer_type, value):
    read = json.loads(theoremqa_answer(answer, answer_type))
    assert read == {"type": answer_type, "answer": value}
    assert type(read["answer"]) is type(value)  # 1.0 stays 1.0: it is compared otherwise than 1


@pytest.mark.parametrize(
    ("answer", "answer_type"),
    [("1", "matrix"), ("perhaps", "bool"), ("[1]", "integer"), ("True", "float"), ("x", "float"), ("1e999", "float")],
)
def test_an_answer_that_theoremqa_does_not_have_is_refused(answer, answer_type):
    with pytest.raises(StudyError, match="TheoremQA"):
        theoremqa_answer(answer, answer_type)
