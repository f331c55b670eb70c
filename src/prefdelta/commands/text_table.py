"""Plain text: tables, long lines, what a terminal would obey; and tables as CSV."""

import csv
import io
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from prefdelta.core.spreadsheets import no_formula

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

WIDTH = 120
# Control characters (C0 without newline and tab, DEL, C1), line and paragraph separators, and the marks that change the
# direction of text.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


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


def visible(text: str) -> str:
    r"""Text whose terminal escapes are shown, not obeyed: `\x1b` for ESC, `\u202e` for a mark that turns the direction
    of text. Newlines and tabs stay.
    """
    return _OBEYED.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def csv_text(
    row_type: "type[DataclassInstance]", rows: "Sequence[DataclassInstance]", like: "Sequence[DataclassInstance]" = ()
) -> str:
    """Rows as CSV, with a head. Texts that begin like a formula get an apostrophe; numbers stay numbers.

    A column is the path of keys to a value in the same rows as JSON, joined by dots: `difference.low`. like: rows that
    name the columns if there are no others; without them row_type does. Lists are joined by "; ", what is not known is
    empty. Texts are `visible`; JSON has them as they are.
    """
    flat = [dict(_flat(asdict(row))) for row in rows]
    named = flat or [dict(_flat(asdict(row))) for row in like]
    heads = list(dict.fromkeys(head for row in named for head in row)) or [field.name for field in fields(row_type)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(no_formula, heads))
    writer.writerows([_csv_cell(row.get(head)) for head in heads] for row in flat)
    return stream.getvalue()


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of each value inside."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _csv_cell(value: object) -> object:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return value
        case list() | tuple():
            return _csv_cell("; ".join(map(str, value)))
        case _:
            return "" if value is None else no_formula(visible(str(value)))
