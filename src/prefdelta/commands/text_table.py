"""Tables and long lines of plain text, for a terminal."""

import textwrap
from collections.abc import Collection, Sequence

WIDTH = 120


def table(rows: Sequence[Sequence[str]], right: Collection[int] = (), gap: str = "  ") -> list[str]:
    """The lines of a table, one for each row, without spaces at their ends.

    rows: all of one length. right: the columns that are aligned to the right, by number. gap: between two columns.
    """
    from tabulate import DataRow, TableFormat, tabulate

    if not rows:
        return []
    row = DataRow("", gap, "")
    text: str = tabulate(
        rows,
        tablefmt=TableFormat(None, None, None, None, row, row, 0, None),
        colalign=["right" if column in right else "left" for column in range(len(rows[0]))],
        disable_numparse=True,
        preserve_whitespace=True,
    )
    return text.splitlines()


def wrapped(line: str, indent: str = "") -> str:
    """A line, broken at spaces so that it fits."""
    return textwrap.fill(line, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}    ", break_on_hyphens=False)
