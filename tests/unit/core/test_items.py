import json
from typing import Any

import pytest

from prefdelta.core.code_tests import read_tests
from prefdelta.core.errors import StudyError
from prefdelta.core.items import read_items
from prefdelta.core.sources import DataGrader, DataSource, Fields
from prefdelta.records.prompt import Prompt

NUL, SURROGATE = chr(0), chr(0xD800)


def source(grader: DataGrader = "maths", fields: dict[str, str] | None = None, **more: Any) -> DataSource:
    columns = Fields(**{"problem": "p", "answer": "a", **(fields or {})})
    return DataSource(dataset="o/d", split="test", fields=columns, grader=grader, **more)


def made(rows: list[dict[str, Any]], of: DataSource | None = None) -> list[Prompt | str]:
    return [item for _, item in read_items(rows, of or source(), "bench")]


def only(row: dict[str, Any], of: DataSource | None = None) -> Prompt:
    (prompt,) = made([row], of)
    assert isinstance(prompt, Prompt), prompt
    return prompt


def test_a_row_makes_a_prompt_named_by_its_text_alone():
    prompt = only({"p": "What is 2+2?", "a": "4"})
    assert (prompt.source, prompt.text, prompt.answers) == ("bench", "What is 2+2?", ["4"])
    assert only({"p": "What is 2+2?", "a": "5"}).prompt_id == prompt.prompt_id
    assert only({"p": "What is 2+3?", "a": "4"}).prompt_id != prompt.prompt_id


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"p": None, "a": "1"}, "no_problem"),
        ({"p": "", "a": "1"}, "no_problem"),
        ({"p": " \r\n\t", "a": "1"}, "no_problem"),
        ({"p": "x", "a": None}, "no_answer"),
        ({"p": "x", "a": "  "}, "no_answer"),
        ({"p": "x", "a": float("nan")}, "no_answer"),
        ({"p": "x", "a": []}, "no_answer"),
        ({"p": f"x{NUL}", "a": "1"}, "nul_character"),
        ({"p": f"x{SURROGATE}", "a": "1"}, "lone_surrogate"),
        ({"p": "x", "a": SURROGATE}, "lone_surrogate"),
    ],
)
def test_a_flawed_row_is_rejected_for_a_reason_and_those_after_it_are_not(row, reason):
    first, second = made([row, {"p": "fine", "a": "2"}])
    assert first == reason
    assert isinstance(second, Prompt)


def test_marks_of_templates_and_chats_are_text_like_any_other():
    text = "Let {problem} be {{x}} and <|im_end|> $\\boxed{1}$."
    assert only({"p": text, "a": "1"}).text == text


def test_line_ends_and_marks_of_byte_order_do_not_make_another_problem():
    plain, other = (only({"p": text, "a": "1"}) for text in ("One.\nTwo.", "\ufeffOne.\r\nTwo.\n"))
    assert plain == other


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (27.0, "27"),
        (27, "27"),
        (0.5, "0.5"),
        (-3.0, "-3"),
        (2**60, str(2**60)),
        ("033", "33"),
        ("0", "0"),
        ("1,000", "1,000"),  # may be two answers
        (["$2,-2$"], "$2,-2$"),
        (["1", "2"], "1, 2"),
        (" \\frac{1}{2} ", "\\frac{1}{2}"),
        (True, "True"),
    ],
)
def test_answers_are_written_as_a_person_would(value, written):
    assert only({"p": "x", "a": value}).answers == [written]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("5*8=40\n#### 40", "40"), ("#### 3\n#### 1,234,567.5", "1234567.5"), ("####", "no_answer"), ("40", "no_answer")],
)
def test_the_answer_of_gsm8k_follows_its_mark(value, expected):
    (item,) = made([{"p": "x", "a": value}], source(answer_after="####"))
    assert (item.answers[0] if isinstance(item, Prompt) else item) == expected


# --- rows that are left out -------------------------------------------------------------------------------------------


def test_only_rows_with_allowed_values_are_taken():
    rows = [
        {"p": "a", "a": "1", "kind": "open", "picture": None, "day": "2024-09-01"},
        {"p": "b", "a": "1", "kind": "proof", "picture": None, "day": "2024-09-01"},
        {"p": "c", "a": "1", "kind": "open", "picture": {"bytes": b"", "path": None}, "day": "2024-09-01"},
        {"p": "d", "a": "1", "kind": "open", "picture": None, "day": "2023-09-01"},
    ]
    where = {"kind": ["open"], "picture": [None], "day": {"since": "2024-01-01", "until": "2024-12-31"}}
    items = made(rows, source(where=where))
    assert [item if isinstance(item, str) else item.text for item in items] == ["a", *["filtered"] * 3]


def test_a_number_is_not_the_truth_that_python_takes_it_for():
    rows = [{"p": str(value), "a": "1", "flag": value} for value in (True, 1, 1.0)]
    items = made(rows, source(where={"flag": [True]}))
    assert [isinstance(item, Prompt) for item in items] == [True, False, False]


def test_of_several_rows_of_one_problem_the_first_is_taken():
    first, second = made([{"p": "x", "a": "1"}, {"p": " x ", "a": "2"}])
    assert isinstance(first, Prompt)
    assert first.answers == ["1"]
    assert second == "repeated"


def test_one_id_for_two_problems_is_an_error_that_names_both_rows():
    with_id = source(fields={"id": "n"})
    rows = [{"p": "x", "a": "1", "n": 1}, {"p": "x", "a": "1", "n": 1.0}, {"p": "y", "a": "1", "n": "1"}]
    assert made(rows[:2], with_id)[1] == "repeated"
    with pytest.raises(StudyError, match="o/d, row 3: the id '1' is that of row 1 already"):
        made(rows, with_id)


def test_a_missing_column_is_told_with_those_that_there_are():
    with pytest.raises(StudyError, match=r"there is no column 'a', 'day'\. It has: p, answer"):
        made([{"p": "x", "answer": "1"}], source(where={"day": ["x"]}))


def test_a_problem_that_is_no_text_is_an_error_that_says_where():
    with pytest.raises(StudyError, match="row 2: column 'p' holds int '7'"):
        made([{"p": "x", "a": "1"}, {"p": 7, "a": "1"}])


# --- other kinds of problems ------------------------------------------------------------------------------------------

CHOICE = source("choice", {"options": "o"})


def test_options_are_listed_by_letter_and_fillers_are_not():
    prompt = only({"p": "Which?", "o": ["one", "two", "three", "N/A", "N/A"], "a": "C"}, CHOICE)
    assert prompt.text == "Which?\n\nA. one\nB. two\nC. three"
    assert prompt.answers == ["C"]


@pytest.mark.parametrize(
    ("options", "answer", "reason"),
    [
        (["one", "two"], "C", "answer_is_no_option"),
        (["one", "two", "N/A"], "C", "answer_is_no_option"),
        (["one", "two"], None, "no_answer"),
        (["one"], "A", "no_options"),
        (["one", " "], "A", "no_options"),
        (None, "A", "no_options"),
    ],
)
def test_a_choice_without_options_or_the_right_one_is_rejected(options, answer, reason):
    assert made([{"p": "Which?", "o": options, "a": answer}], CHOICE) == [reason]


def test_an_answer_of_theoremqa_keeps_its_type():
    theoremqa = source("theoremqa", {"answer_type": "t"})
    prompt = only({"p": "x", "a": "[1, 2]", "t": "list of integer"}, theoremqa)
    assert json.loads(prompt.answers[0]) == {"type": "list of integer", "answer": [1, 2]}
    assert made([{"p": "x", "a": "1", "t": None}], theoremqa) == ["no_answer_type"]
    assert made([{"p": "x", "a": "many", "t": "integer"}], theoremqa) == ["unreadable_answer"]


CODE = DataSource(
    dataset="o/d",
    split="test",
    fields=Fields(problem="p", starter_code="s", public_tests="t", private_tests="x", metadata="m"),
    grader="code",
)
TESTS = json.dumps([{"input": "1", "output": "2", "testtype": "functional"}])


def test_starter_code_is_part_of_the_problem_and_tests_are_its_answer():
    starter = "class Solution:\n    def f(self, n):\n        "
    prompt = only({"p": "Add one.", "s": starter, "t": TESTS, "x": TESTS, "m": '{"func_name": "f"}'}, CODE)
    assert prompt.text == "Add one.\n\nStarter code:\n```python\nclass Solution:\n    def f(self, n):\n```"
    tests = read_tests(prompt.answers[0])
    assert (tests.kind, tests.function, len(list(tests))) == ("call", "f", 2)


def test_a_problem_of_code_without_tests_is_rejected():
    row = {"p": "Add one.", "s": "", "t": TESTS, "x": None, "m": "{}"}
    assert made([row], CODE) == ["no_tests"]
    assert made([{**row, "t": "[{]", "x": TESTS}], CODE) == ["unreadable_tests"]
