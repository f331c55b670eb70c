"""What an audit found: tables, what to conclude of them and what not, and whether a limit is passed."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from prefdelta.commands.output import (
    ANSWER_IS_NO,
    Column,
    print_csv,
    print_heading,
    print_json,
    print_line,
    print_quoted,
    print_table,
)
from prefdelta.commands.text_table import wrapped
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import Estimate

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class FoundTable(Generic[R]):
    """A table. Its rows are dataclasses."""

    key: str
    title: str
    row_type: type[R]
    columns: Sequence[Column[R]]
    rows: Sequence[R]


@dataclass(frozen=True, slots=True)
class Finding:
    """What an audit found."""

    audit: str
    study: str
    tables: Sequence[FoundTable[Any]]
    conclusion: str  # what to conclude, and what not
    over_limit: bool
    limit: Mapping[str, float]  # where the limit is set -> its value
    quoted: Sequence[tuple[str, str]] = ()  # (heading, somebody's text) that is printed for people after the tables


def add_choice(parser: argparse.ArgumentParser, keys: Sequence[str]) -> None:
    """Add --table. keys: of the tables that the audit prints."""
    parser.add_argument(
        "--table",
        choices=keys,
        help=f"print this table alone (default: all; with --csv, {keys[0]})",
    )


def show(found: Finding, arguments: argparse.Namespace) -> int:
    """Print what was found. Returns the exit code: 1 if the limit is passed."""
    chosen = [one for one in found.tables if arguments.table in (None, one.key)]
    if arguments.json:
        tables = {one.key: [asdict(row) for row in one.rows] for one in chosen}
        facts = {"limit": found.limit, "over_limit": found.over_limit, "conclusion": found.conclusion}
        print_json({"audit": found.audit, "study": found.study, **tables, **facts})
    elif arguments.csv:
        if not chosen:
            raise StudyError(f"--table {arguments.table}: this table is only made with --list N.")
        print_csv(chosen[0].row_type, chosen[0].rows)
    else:
        print_line(f"study {found.study}, audit {found.audit}")
        for one in chosen:
            print_heading(one.title)
            if one.rows:
                print_table(one.columns, one.rows)
        for heading, text in found.quoted:
            print_heading(heading)
            print_quoted(text)
        print_line()
        print_line(wrapped(found.conclusion))
    return ANSWER_IS_NO if found.over_limit else 0


def interval(estimate: Estimate | None, text: Callable[[float | None], str]) -> str:
    """An estimate with its interval, in words of `reporting.formats`."""
    if estimate is None or estimate.value is None or estimate.low is None:
        return text(None if estimate is None else estimate.value)
    return f"{text(estimate.value)} [{text(estimate.low)}, {text(estimate.high)}]"
