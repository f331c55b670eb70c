"""Printed output of commands: for people, rich in a terminal and plain when piped; and for programs.

Whatever is printed may hold text of a model. Characters that a terminal would obey are printed as their escapes.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from prefdelta.commands.text_table import csv_text, table, visible
from prefdelta.study.study import Study

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.console import Console
    from rich.tree import Tree

R = TypeVar("R")
ANSWER_IS_NO = 1  # exit code of a command that was asked to exit by its answer


@dataclass(frozen=True)
class Column(Generic[R]):
    """A column of a table for people."""

    title: str
    cell: Callable[[R], str]  # of a row
    right: bool = False  # whether it is aligned to the right


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of a printed tree, with the lines below it."""

    line: str
    below: Sequence["Branch"] = ()


# --- which way ----------------------------------------------------------------------------------------------------


def add_formats(parser: argparse.ArgumentParser, *, csv: bool = False) -> None:
    """Add --json and, where a table is the answer, --csv."""
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="the answer for programs, as one JSON document")
    if csv:
        formats.add_argument("--csv", action="store_true", help="the table as CSV")


def number_of_lines(text: str) -> int:
    """The number of lines that an option asks for: a type for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def print_json(document: object) -> None:
    """Print one JSON document. document: a dataclass, or what JSON knows. It holds texts as they are, escaped."""
    content = asdict(document) if is_dataclass(document) and not isinstance(document, type) else document
    print_line(json.dumps(content, indent=2, allow_nan=False).replace("\x7f", "\\u007f"))


def print_csv(
    row_type: "type[DataclassInstance]", rows: "Sequence[DataclassInstance]", like: "Sequence[DataclassInstance]" = ()
) -> None:
    """Print rows as `csv_text` writes them."""
    sys.stdout.write(csv_text(row_type, rows, like))


# --- for people ---------------------------------------------------------------------------------------------------


def print_line(line: str = "") -> None:
    """Print a line, or several."""
    sys.stdout.write(f"{visible(line)}\n")


def print_heading(line: str) -> None:
    """Print an empty line and a heading."""
    print_line()
    if (console := _terminal()) is None:
        print_line(line)
    else:
        from rich.text import Text

        console.print(Text(visible(line), "bold"))


def print_table(columns: Sequence[Column[R]], rows: Sequence[R]) -> None:
    """Print a table. When piped, a row is one line."""
    cells = [[_one_line(column.cell(row)) for column in columns] for row in rows]
    console = _terminal()
    if console is None:
        right = {number for number, column in enumerate(columns) if column.right}
        for line in table([[column.title for column in columns], *cells], right):
            print_line(line)
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):  # the first names the row: it stays whole, to be copied
        justify: Literal["left", "right"] = "right" if column.right else "left"
        shown.add_column(Text(visible(column.title)), justify=justify, overflow="fold", no_wrap=number == 0)
    for row_cells in cells:
        shown.add_row(*map(Text, row_cells))
    console.print(shown)


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names with their values below each other."""
    console = _terminal()
    rows = [[_one_line(name), _one_line(value)] for name, value in facts.items()]
    if console is None:
        for line in table(rows):
            print_line(line)
        return
    from rich.table import Table
    from rich.text import Text

    shown = Table.grid(padding=(0, 2))
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in rows:
        shown.add_row(Text(name, "dim"), Text(value))
    console.print(shown)


def print_quoted(text: str) -> None:
    """Print somebody's text, each line behind a bar, so that none looks like a line of ours."""
    for line in text.split("\n"):
        print_line(f"  | {line}")


def print_tree(branch: Branch) -> None:
    """Print a tree: with lines between the branches in a terminal, indented when piped."""
    console = _terminal()
    if console is not None:
        console.print(_rich_tree(branch), soft_wrap=False)
        return
    todo = [(branch, 0)]
    while todo:
        found, depth = todo.pop()
        print_line(f"{'  ' * depth}{_one_line(found.line)}")
        todo += [(child, depth + 1) for child in reversed(found.below)]


def _rich_tree(branch: Branch) -> "Tree":
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(_one_line(branch.line)), guide_style="dim")
    for child in branch.below:
        tree.children.append(_rich_tree(child))
    return tree


def _one_line(text: str) -> str:
    """Text of a cell: visible, and without breaks."""
    return " ".join(visible(text).split("\n")).replace("\t", " ")


def _terminal() -> "Console | None":
    """The terminal that output goes to; None: it is piped."""
    if not sys.stdout.isatty():
        return None
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


# --- words --------------------------------------------------------------------------------------------------------


def prefdelta_version() -> str:
    """The version of this package; "unknown" if its source runs from a folder."""
    try:
        return version("prefdelta")
    except PackageNotFoundError:
        return "unknown"


def format_bytes(count: float) -> str:
    """A number of bytes for a person, e.g. 1.2 GB."""
    unit = "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"


def print_sums(sums: Mapping[str, tuple[int, int]]) -> None:
    """Print a table of kind -> (count, bytes), with the sum of the bytes."""
    rows = [[kind, f"{count:,}", f"{size:,} bytes"] for kind, (count, size) in sums.items()]
    rows.append(["together", "", f"{sum(size for _, size in sums.values()):,} bytes"])
    for line in table(rows, right={1, 2}):
        print_line(f"  {line}")


def print_note_on_batches(study: Study, stage: str) -> None:
    """Say so if a stage's forgotten replies may come back unchanged from a provider's batch files."""
    judges = study.config.judge.judges().values() if stage == "judge" else []
    if batched := [f"{judge.where}.engine.batch" for judge in judges if judge.engine.batch is not None]:
        print_line(
            f"note: {' and '.join(batched)} is set, so a reply that the provider still keeps in a batch's file is "
            "taken from there, and not asked for anew; what was refused or not begun is asked anew. To have all of it "
            "asked anew, delete the output files of these batches at the provider before the next run, or run without "
            "batch."
        )
