import csv
import io
from dataclasses import dataclass

import pytest

from prefdelta.commands.text_table import csv_text, table, visible
from prefdelta.core.spreadsheets import no_formula


@dataclass
class Interval:
    value: float | None
    low: float | None


@dataclass
class Line:
    name: str
    right: bool | None
    difference: Interval
    seeds: list[int]


def test_columns_stand_below_each_other_and_no_line_ends_with_spaces():
    rows = [["stage", "jobs", "failed"], ["judge", "1,200", "3 truncated"], ["  pa dpo", "7", ""]]
    assert table(rows, right={1}, gap=" ") == [
        "stage     jobs failed",
        "judge    1,200 3 truncated",
        "  pa dpo     7",
    ]


def test_a_cell_that_looks_like_a_number_stays_as_it_is():
    assert table([["1.50", "a"], ["10", "b"]]) == ["1.50  a", "10    b"]


def test_a_table_without_rows_has_no_lines():
    assert table([]) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),  # CSI
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),  # OSC
        ("\x9b2J\x9d\x90", r"\x9b2J\x9d\x90"),  # the same in one character each (C1)
        ("over\rwritten\x08\x7f", r"over\rwritten\x08\x7f"),
        ("\u202egnp.exe\u2066\u200f\u2028", r"\u202egnp.exe\u2066\u200f\u2028"),
        ("two\nlines\tand a tab; \u03c0 \u2264 4, \u0645", "two\nlines\tand a tab; \u03c0 \u2264 4, \u0645"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_begins_as_a_formula(text):
    assert no_formula(text) == f"'{text}"
    (_, row) = csv.reader(io.StringIO(csv_text(Line, [Line(text, None, Interval(None, None), [text])])))
    assert row[0] == row[-1]
    assert row[0] in (f"'{text}", r"\r=1")  # the escape of a control character begins no formula


def test_a_row_of_csv_has_a_column_for_each_value_inside_and_numbers_stay_numbers():
    rows = [Line("a, b", True, Interval(-0.5, None), [0, 1]), Line("c", None, Interval(None, 0.25), [])]
    assert csv_text(Line, rows) == (
        'name,right,difference.value,difference.low,seeds\n"a, b",true,-0.5,,0; 1\nc,,,0.25,\n'
    )


def test_csv_without_rows_has_a_head():
    assert csv_text(Interval, []) == "value,low\n"
