import json
from typing import Any

import pytest

from prefdelta.core.answers.code_tests import read_tests
from prefdelta.core.data.items import read_items
from prefdelta.core.data.sources import DataGrader, DataSource, Fields
from prefdelta.core.errors import StudyError
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
        ({"p": "x", "a": "NaN"}, "no_answer"),
        ({"p": "NaN", "a": "1"}, "no_problem"),
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


def test_a_benchmark_that_counts_repeated_rows_has_an_item_for_each():
    rows = [{"p": "x", "a": "1"}, {"p": "y", "a": "1"}, {"p": "x", "a": "1"}, {"p": " x", "a": "2"}]
    once, counted = made(rows), made(rows, source(repeated="counted"))
    assert counted[:2] == once[:2]
    assert [prompt.text for prompt in counted if isinstance(prompt, Prompt)] == ["x", "y", "x", "x"]
    assert [prompt.answers for prompt in counted if isinstance(prompt, Prompt)] == [["1"], ["1"], ["1"], ["2"]]
    assert len({prompt.prompt_id for prompt in counted if isinstance(prompt, Prompt)}) == 4
    assert made(rows, source(repeated="counted")) == counted


def test_repeated_rows_share_an_id_or_have_one_each_as_they_like():
    rows = [{"p": "x", "a": "1", "n": 1}, {"p": "x", "a": "1", "n": 1}, {"p": "x", "a": "1", "n": 2}]
    assert len(made(rows, source(fields={"id": "n"}, repeated="counted"))) == 3


def test_a_column_that_is_no_id_is_told_with_counts_after_the_last_row():
    values = [1, 1.0, "1", "NaN", None, float("nan"), " ", 1, "9"]
    problems = ["x", "x", "y", "a", "b", "c", "d", "e", "f"]
    rows = [{"p": problem, "a": "1", "n": value} for problem, value in zip(problems, values, strict=True)]
    found = read_items(rows, source(fields={"id": "n"}), "amc")
    assert [next(found)[1] for _ in rows][1] == "repeated"  # one problem twice, under one id
    with pytest.raises(StudyError) as error:
        next(found)
    assert str(error.value) == (
        "o/d: the column 'n' is not an id: of 9 rows with a problem 4 have none (row 4 holds str 'NaN') and 2 have "
        "that of an earlier row with another problem (row 3 holds '1', as row 1 does). A problem is known by its text, "
        "so no id is needed: take `id: n` out of the `fields` of the source of resources/benchmarks/amc.yaml."
    )
    with pytest.raises(StudyError, match=r"take `id: n` out of the `fields` of prompts\.train"):
        list(read_items(rows, source(fields={"id": "n"}), "train"))


def test_a_column_whose_values_name_the_problems_is_an_id():
    rows = [{"p": "x", "a": "1", "n": 1}, {"p": "y", "a": "1", "n": "2"}, {"p": None, "a": "1", "n": None}]
    assert made(rows, source(fields={"id": "n"}))[2] == "no_problem"


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
        ([str(number) for number in range(11)], "A", "too_many_options"),
    ],
)
def test_a_choice_without_options_or_the_right_one_is_rejected(options, answer, reason):
    assert made([{"p": "Which?", "o": options, "a": answer}], CHOICE) == [reason]


LABELLED = "Which?\n\nA. one\nB. two\nC. three"


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"text": ["one", "two", "three"], "label": ["A", "B", "C"]}, "C"),  # ARC, OpenBookQA, CommonsenseQA
        ({"label": ["C", "A", "B"], "text": ["three", "one", "two"]}, "C"),
        ({"text": ["one", "two", "three"], "label": ["1", "2", "3"]}, "3"),
        ({"text": ["one", "two", "three"], "label": [1, 2, 3]}, 3),
        ({"text": ["two", "one", "three"], "label": ["1", "0", "2"]}, "2"),
        ({"text": ["one", "two", "three"], "label": ["x", "y", "z"]}, "z"),
        ([{"label": "A", "text": "one"}, {"label": "C", "text": "three"}, {"label": "B", "text": "two"}], "c"),
        ([{"key": "A", "value": "one"}, {"key": "B", "value": "two"}, {"key": "C", "value": "three"}], "C"),
        ({"A": "one", "B": "two", "C": "three", "D": None}, "C"),  # MedQA; Arrow fills what other rows have
        ({"C": "three", "B": "two", "A": "one"}, "C"),
        (["one", "two", "three"], "c"),
    ],
)
def test_options_with_labels_are_shown_by_letter_in_the_order_of_their_labels(options, answer):
    prompt = only({"p": "Which?", "o": options, "a": answer}, CHOICE)
    assert (prompt.text, prompt.answers) == (LABELLED, ["C"])


def test_options_may_be_numbers():
    assert only({"p": "Which?", "o": [6, 7.0, 8.5], "a": "B"}, CHOICE).text == "Which?\n\nA. 6\nB. 7\nC. 8.5"


@pytest.mark.parametrize(
    ("options", "answer", "message"),
    [
        ("red;blue", "A", "column 'o' holds str 'red;blue', where options should be: a list of texts, "),
        ("['red', 'blue']", "A", "column 'o' holds str "),
        ('{"A": "red", "B": "blue"}', "A", "column 'o' holds str "),
        ({"text": ["red", "blue"], "label": ["A"]}, "A", "column 'o' holds 2 texts and 1 labels"),
        ({"text": ["red", "blue"], "label": ["A", "A"]}, "A", "holds two options of one label: A, A"),
        ({"text": ["red", "blue"], "label": ["A", None]}, "A", "holds an option without a label"),
        ({"text": "red", "label": "A"}, "A", "column 'o' holds dict "),
        ({"right": "red", "wrong": "blue"}, "right", "column 'o' holds dict "),
        ([{"text": "red"}, {"text": "blue"}], "A", "column 'o' holds list "),
        ([["red"], ["blue"]], "A", "column 'o' holds list "),
        (7, "A", "column 'o' holds int '7'"),
        (["red", "blue"], {"label": "A"}, "column 'a' holds dict "),
        (["red", "blue"], True, "column 'a' holds bool 'True', where an option should be named"),
        (["red", "blue"], 1, r"column 'a' holds int '1', .* `answer_from: 0` or `answer_from: 1`"),
        (["red", "blue"], "1", r"column 'a' holds str '1', .* `answer_from: 0`"),
    ],
)
def test_options_and_answers_of_other_forms_are_refused_by_name(options, answer, message):
    with pytest.raises(StudyError, match=f"o/d, row 1: .*{message}"):
        made([{"p": "Which?", "o": options, "a": answer}], CHOICE)


@pytest.mark.parametrize(
    ("first", "answer", "letter"),
    [(0, 1, "B"), (1, 1, "A"), (0, "2", "C"), (0, 1.0, "B"), (1, 3, "C"), (0, 3, None), (1, 0, None), (0, -1, None)],
)
def test_an_answer_may_be_the_place_of_an_option_if_the_source_says_so(first, answer, letter):
    of = source("choice", {"options": "o"}, answer_from=first)
    (item,) = made([{"p": "Which?", "o": ["one", "two", "three"], "a": answer}], of)
    assert (item.answers if isinstance(item, Prompt) else item) == ([letter] if letter else "answer_is_no_option")


@pytest.mark.parametrize("grader", ["maths", "marker"])
@pytest.mark.parametrize("answer", [{"ground_truth": "34", "style": "rule"}, [{"a": 1}], [["1"], ["2"]], b"34"])
def test_an_answer_that_is_an_object_is_refused_by_name(grader, answer):
    with pytest.raises(StudyError, match=r"o/d, row 2: column 'a' holds .*, where a text, a number or a list"):
        made([{"p": "x", "a": "1"}, {"p": "y", "a": answer}], source(grader))


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
