import pytest
from pydantic import ValidationError

from prefdelta.core.data.items import read_items
from prefdelta.core.data.sources import DataSource, Fields
from prefdelta.graders.maths import grade


def source(grader="maths"):
    fields = Fields(problem="p", answer="a", unit="u", options="o")
    return DataSource(dataset="o/d", split="test", fields=fields, grader=grader)


@pytest.mark.parametrize(
    ("answer", "unit", "right", "wrong"),
    [
        (["3.5"], "%", r"3.5\%", r"3.6\%"),
        ("$120$", "$cm^2$", r"120\text{ cm}^2", r"120\text{ cm}"),
        ("25", "minutes", r"25\text{ min}", r"25\text{ hours}"),
        ("75", r"^{\circ}", r"75^\circ", r"57^\circ"),
        ("75", None, "75", "57"),
        ("75", "", "75", "57"),
        ("75", "None", r"75\text{ cm}", "57"),
    ],
)
def test_a_unit_in_a_column_of_its_own_belongs_to_the_answer(answer, unit, right, wrong):
    ((_, prompt),) = read_items([{"p": "How much?", "a": answer, "u": unit, "o": None}], source(), "bench")
    assert [grade(rf"\boxed{{{text}}}", prompt.answers)[1] for text in (right, wrong)] == [True, False]


def test_a_grader_that_knows_no_units_refuses_them():
    with pytest.raises(ValidationError, match="knows no units"):
        source(grader="choice")
