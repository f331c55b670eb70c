"""Tables of plain text, for a terminal."""

from collections.abc import Collection, Sequence


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
