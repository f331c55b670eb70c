from prefdelta.commands.text_table import table


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
