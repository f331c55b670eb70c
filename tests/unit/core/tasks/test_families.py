import re
from itertools import islice
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.errors import StudyError
from prefdelta.core.tasks.families import FAMILIES, Split, draw_problems, family_of, split_of
from prefdelta.core.tasks.steps import Problem, Step, apply, clean_trace

SPLITS = get_args(Split)
families = st.sampled_from(sorted(FAMILIES))


@st.composite
def drawn(draw):
    """(family, problem)."""
    name = draw(families)
    return FAMILIES[name], FAMILIES[name].draw(Random(draw(st.integers())), draw(st.integers(1, 15)))


def first_problems(split, n=40, family="maths", operations=(2, 3), seed=0):
    return list(islice(draw_problems(family, list(operations), split, seed), n))


@pytest.mark.parametrize(
    ("left", "operator", "right", "result"),
    [(5, "+", 9, 4), (3, "-", 5, 8), (7, "*", 8, 6), (0, "-", 0, 0), (9, "+", 1, 0)],
)
def test_arithmetic_is_modulo_10(left, operator, right, result):
    assert apply(left, operator, right) == result


def test_an_unknown_operator_is_refused():
    with pytest.raises(ValueError, match="unknown operator '/'"):
        apply(4, "/", 2)


def test_a_maths_question_is_parsed_and_solved_from_left_to_right():
    family, problem = family_of("Q:5*5+4+1?")
    assert family.name == "maths"
    assert problem == Problem("Q:5*5+4+1?", 5, (("*", 5), ("+", 4), ("+", 1)))
    # 25 -> 5; 5 + 4 = 9; 9 + 1 = 10 -> 0. No operator binds more tightly than another.
    assert problem.steps() == [Step(5, "*", 5, 5), Step(5, "+", 4, 9), Step(9, "+", 1, 0)]
    assert clean_trace(family, problem) == "5*5=5;5+4=9;9+1=0;A:0"


def test_a_code_question_is_parsed_and_its_first_variable_looked_up():
    family, problem = family_of("P:a=1;b=a-2;c=b-5;d=c+a;d?")
    assert family.name == "code"
    # b = 1 - 2 = -1 -> 9; c = 9 - 5 = 4; d = 4 + a = 4 + 1 = 5.
    assert problem.operations == (("-", 2), ("-", 5), ("+", 1))
    assert clean_trace(family, problem) == "b=1-2=9;c=9-5=4;d=4+1=5;A:5"


def test_a_stem_question_is_parsed_by_looking_its_values_up():
    family, problem = family_of("S:z3k4m4y2,z+y-k*m?")
    assert family.name == "stem"
    # z = 3; + y = 2; - k = 4; * m = 4: 3 + 2 = 5; 5 - 4 = 1; 1 * 4 = 4.
    assert problem == Problem("S:z3k4m4y2,z+y-k*m?", 3, (("+", 2), ("-", 4), ("*", 4)))
    assert clean_trace(family, problem) == "z3;+y2:3+2=5;-k4:5-4=1;*m4:1*4=4;A:4"


@given(st.integers(), st.integers(1, 15))
def test_a_stem_table_holds_the_names_of_its_formula_each_once_and_in_another_order(seed, n_operations):
    found = re.fullmatch(r"S:(.+),(.+)\?", FAMILIES["stem"].draw(Random(seed), n_operations).question)
    table, formula = found[1][::2], re.sub(r"[^a-z]", "", found[2])
    assert len(set(table)) == len(table) == n_operations + 1
    assert sorted(table) == sorted(formula)


def test_the_order_of_a_stem_table_does_not_tell_that_of_its_formula():
    tables = [FAMILIES["stem"].draw(Random(seed), 2).question for seed in range(600)]
    # Three names have six orders. The standard deviation of a share of 1/6 in 600 is sqrt(5/36 / 600) = 0.0152.
    in_order = sum(question[2] + question[4] + question[6] == question[9:14:2] for question in tables)
    assert abs(in_order / 600 - 1 / 6) < 4 * 0.0152


@given(drawn())
def test_parsing_a_question_gives_back_the_problem_that_was_drawn(drawn):
    family, problem = drawn
    assert family.parse(problem.question) == problem


@given(drawn())
def test_a_question_belongs_to_its_own_family_only(drawn):
    family, problem = drawn
    assert [name for name, other in FAMILIES.items() if other.parse(problem.question)] == [family.name]


@given(drawn())
def test_reading_a_written_step_gives_back_the_step(drawn):
    family, problem = drawn
    for index, step in enumerate(problem.steps()):
        assert family.read(family.write(problem, index, step)) == step


@given(drawn(), st.integers(0, 9))
def test_reading_a_written_opening_gives_back_the_value(drawn, value):
    family, problem = drawn
    opening = family.opening(problem, value)
    assert (opening is None) == (family.name != "stem")
    if opening is not None:
        assert family.read_opening(opening) == value
        assert family.read(opening) is None


@pytest.mark.parametrize(
    "question",
    [
        "",
        "Q:5?",
        "Q:5+?",
        "Q:55+4?",
        "Q:5/4?",
        "Q:5+4",
        "Q:5+4? ",
        "P:a=1;a?",
        "P:a=1;b=a-2;a?",  # asks for another variable than the last
        "P:a=1;c=a-2;c?",  # leaves out a variable
        "P:a=1;b=a-2;c=a-2;c?",  # c does not follow from b
        "P:a=1;b=a-b;b?",
        "S:z3,z?",  # nothing to compute
        "S:z3k4,z+m?",  # m has no value
        "S:z3k4,m+k?",
        "S:z3k4z+k?",
        "S:z3k,z+k?",
        "S:a3k4,a+k?",  # a is one of Code's names
        # One line more than there are letters.
        "P:a=1;"
        + "".join(f"{b}={a}+1;" for a, b in zip("abcdefghijklmnopqrstuvwxy", "bcdefghijklmnopqrstuvwxyz", strict=True))
        + "b=a+1;b?",
    ],
)
def test_a_question_of_no_family_is_known_to_none(question):
    assert family_of(question) is None


@given(st.text())
def test_any_text_is_a_question_or_none(text):
    found = family_of(text)
    assert found is None or found[1].question == text


@pytest.mark.parametrize(
    ("question", "split"),
    [
        ("Q:1*1?", "benchmark"),
        ("Q:3-1?", "validation"),
        ("Q:5*5+4+1?", "pairs"),
        ("P:a=1;b=a-2;c=b-5;d=c+a;d?", "pairs"),
        ("Q:1+1?", "ladder"),
        ("S:z3k4m4y2,z+y-k*m?", "ladder"),
    ],
)
def test_the_split_of_a_question_never_changes(question, split):
    # Written down, not computed: another split would put training problems into benchmarks that exist already.
    assert split_of(question) == split


def test_problems_of_different_splits_are_disjoint():
    questions = {split: {problem.question for problem in first_problems(split)} for split in SPLITS}
    assert len(set().union(*questions.values())) == sum(map(len, questions.values())) == 40 * len(SPLITS)


@pytest.mark.parametrize("split", SPLITS)
def test_drawn_problems_belong_to_the_split_asked_for(split):
    assert {split_of(problem.question) for problem in first_problems(split)} == {split}


def test_splits_have_their_shares_of_all_questions():
    random = Random(0)
    found = [split_of(FAMILIES["maths"].draw(random, 5).question) for _ in range(2000)]
    for split, share in {"benchmark": 0.2, "validation": 0.1, "pairs": 0.3, "ladder": 0.4}.items():
        # The standard deviation of a share of 2000 is at most sqrt(0.25 / 2000) = 0.011.
        assert abs(found.count(split) / 2000 - share) < 4 * 0.011


def test_lengths_are_taken_in_turn():
    assert [len(problem.operations) for problem in first_problems("pairs", n=6)] == [2, 3, 2, 3, 2, 3]


def test_the_same_seed_draws_the_same_problems():
    assert first_problems("pairs", seed=5) == first_problems("pairs", seed=5)


def test_another_seed_draws_other_problems():
    assert first_problems("pairs", seed=5) != first_problems("pairs", seed=6)


def test_a_split_that_runs_out_of_problems_says_how_many_it_has():
    # Q:<1-5><+|-|*><1-5>? is 5 * 3 * 5 = 75 questions, of which a fifth belong to benchmarks.
    everything = [f"Q:{a}{operator}{b}?" for a in range(1, 6) for operator in "+-*" for b in range(1, 6)]
    available = sum(split_of(question) == "benchmark" for question in everything)
    with pytest.raises(StudyError, match=rf"only {available} different maths problems with \[1\] operations exist"):
        first_problems("benchmark", n=available + 1, operations=[1])
