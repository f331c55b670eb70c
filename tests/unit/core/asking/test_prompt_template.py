import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.asking.prompt_template import fill
from prefdelta.core.errors import StudyError


def test_each_slot_gets_its_value():
    assert fill("{problem} -> {trace}", {"problem": "1+1", "trace": "2"}, "t.md") == "1+1 -> 2"


def test_a_slot_that_stands_twice_is_filled_twice():
    assert fill("{a}{a}", {"a": "x"}, "t.md") == "xx"


@given(st.text() | st.sampled_from(["{trace}", "{problem}", "{{}}", "\\1", "%s", "{0}"]))
def test_a_value_stays_as_it_is_whatever_braces_it_has(value):
    # A trace that quotes a slot must not have the problem or itself put into it.
    assert fill("<{problem}|{trace}>", {"problem": value, "trace": "t"}, "t.md") == f"<{value}|t>"


def test_braces_that_are_no_slot_stay():
    template = 'Reply {"score": 1} {} {0} { problem } {problem}'
    assert fill(template, {"problem": "P"}, "t.md") == 'Reply {"score": 1} {} {0} { problem } P'


@pytest.mark.parametrize(
    ("template", "found"),
    [("{problem} {tarce}", "{problem}, {tarce}"), ("{problem}", "{problem}"), ("no slots", "none")],
)
def test_other_slots_than_the_values_are_refused_with_the_file_and_both_lists(template, found):
    with pytest.raises(StudyError) as error:
        fill(template, {"problem": "P", "trace": "T"}, "templates/judge.md")
    assert str(error.value) == (
        f"templates/judge.md: the template has the slots {found}, but must have exactly {{problem}}, {{trace}}."
    )
