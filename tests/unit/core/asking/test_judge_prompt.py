import pytest

from prefdelta.core.asking.judge_prompt import join_rubrics, judge_prompt
from prefdelta.core.errors import StudyError


def test_each_dimension_is_a_section_in_the_order_given() -> None:
    rubrics = [("validity", "Each step follows."), ("accuracy", "Numbers are right.\nAll of them.")]
    assert join_rubrics(rubrics) == ("## validity\nEach step follows.\n\n## accuracy\nNumbers are right.\nAll of them.")


def test_a_form_gives_the_category_and_braces_in_a_trace_stay() -> None:
    template = "Rate by {category}.\n{rubric}\nP: {problem}\nT: {trace}"
    text = judge_prompt(
        template, "judge.md", form="step_logic", rubric="## validity\nYes.", problem="1 + 1?", trace="{problem} is 2"
    )
    assert text == "Rate by Step logic.\n## validity\nYes.\nP: 1 + 1?\nT: {problem} is 2"


def test_a_template_without_one_of_the_slots_is_named() -> None:
    with pytest.raises(StudyError, match=r"judge\.md"):
        judge_prompt("{category} {rubric} {problem}", "judge.md", form="all", rubric="", problem="", trace="")
