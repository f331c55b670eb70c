"""Find pairs of a pairing: by deltas, scores, grades and lengths. Read-only; a run may be going on.

  prefdelta pairs g3~g1 --sort delta:step_coherence --top 10
  prefdelta pairs g3~g1 --sort delta:mean --where cell=right-wrong --where 'chosen_tokens<30'
  prefdelta pairs g3~g1 --where eligible=false --where reason=identical --top 0 --csv

`prefdelta show pair ID` then shows the texts, and the judge's reasons. What can be sorted and asked for:
  delta:<dimension>, chosen:<dimension>, rejected:<dimension>   a delta, and the scores that it is the difference of
  chosen_tokens, rejected_tokens, length                        length: tokens of chosen minus rejected
  chosen_correct, rejected_correct, eligible, pool              true or false
  cell, reason, prompt_id, pair_id                              e.g. right-wrong; why it is not eligible
  rank:<selection>                                              its rank in a selection, from 0, if it was taken
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.looking.names import find_pairing
from prefdelta.commands.looking.results import Results
from prefdelta.commands.output import (
    Column,
    add_formats,
    number_of_lines,
    print_csv,
    print_json,
    print_line,
    print_table,
)
from prefdelta.commands.pairs.conditions import parse_condition
from prefdelta.commands.pairs.rows import PairRow, read_rows, value_of
from prefdelta.commands.study_options import add_configfile, command_line, open_study
from prefdelta.reporting import formats


@dataclass(frozen=True, slots=True)
class PairsDocument:
    study: str
    pairing: str
    sorted_by: str | None
    pairs: int  # of the pairing
    matching: int  # of these, the pairs that fit all conditions
    best: float | str | None  # the first value in the order asked for
    with_best: int  # how many matching pairs have it
    rows: list[PairRow]


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pairing", metavar="PAIRING", help="<chosen generator>~<rejected generator>")
    parser.add_argument(
        "--sort",
        metavar="KEY",
        help="largest first, but a rank smallest first; pairs without a value last (default: pair_id)",
    )
    parser.add_argument("--ascending", action="store_true", help="smallest first")
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help="KEY, one of = != < <= > >=, and a value; may be given several times. A pair without a value never fits",
    )
    parser.add_argument(
        "--top", type=number_of_lines, default=10, metavar="N", help="list N pairs; 0: all (default: %(default)s)"
    )
    add_configfile(parser)
    add_formats(parser, csv=True)


def run(arguments: argparse.Namespace) -> None:
    results = Results(open_study(arguments.configfile))
    pairing = find_pairing(results, arguments.pairing)
    conditions = [parse_condition(text) for text in arguments.where]
    keys = [condition.key for condition in conditions] + ([arguments.sort] if arguments.sort else [])
    rows = read_rows(results, pairing, keys)
    matching = [row for row in rows if all(condition.holds(value_of(row, condition.key)) for condition in conditions)]
    ordered = _ordered(matching, arguments.sort or "pair_id", descending=_largest_first(arguments))
    best = value_of(ordered[0], arguments.sort) if ordered and arguments.sort else None
    document = PairsDocument(
        study=results.name,
        pairing=str(pairing),
        sorted_by=arguments.sort,
        pairs=len(rows),
        matching=len(matching),
        best=best,
        with_best=sum(value_of(row, arguments.sort) == best for row in matching) if best is not None else 0,
        rows=ordered[: arguments.top or None],
    )
    if arguments.json:
        print_json(document)
    elif arguments.csv:
        print_csv(PairRow, document.rows, like=rows)
    else:
        _print(document, list(dict.fromkeys(keys)), arguments.configfile)


def _largest_first(arguments: argparse.Namespace) -> bool:
    """Ids and ranks begin with the smallest anyway."""
    return bool(arguments.sort) and not arguments.sort.startswith("rank:") and not arguments.ascending


def _ordered(rows: Sequence[PairRow], key: str, *, descending: bool) -> list[PairRow]:
    """Rows by a value, those without one last; equal ones by pair_id."""
    known = sorted((row for row in rows if value_of(row, key) is not None), key=lambda row: row.pair_id)
    known.sort(key=lambda row: value_of(row, key), reverse=descending)  # type: ignore[arg-type, return-value]
    return [*known, *(row for row in rows if value_of(row, key) is None)]


def _print(document: PairsDocument, keys: Sequence[str], configfile: Path | None) -> None:
    print_line(f"{document.matching:,} of {document.pairs:,} pairs of {document.pairing} in the study {document.study}")
    if document.with_best > 1:
        print_line(f"{document.with_best:,} of them have the first {document.sorted_by}, {_cell(document.best)}")
    if not document.rows:
        return
    shown = [key for key in keys if key not in ("pair_id", "cell", "prompt_id")]
    scored = [key for key in shown if key.startswith("delta:")]
    for key in scored:
        shown += [name for side in ("chosen", "rejected") if (name := key.replace("delta", side)) not in shown]
    means = [f"delta:{name}" for name in document.rows[0].deltas if f"delta:{name}" not in shown and not scored]
    print_table(
        [
            Column("pair", lambda row: f"{row.pairing}/{row.pair_id}"),
            Column("cell", lambda row: row.cell or formats.NONE),
            *(_column(key) for key in [*shown, *means]),
            Column("tokens", lambda row: f"{_cell(row.chosen_tokens)}/{_cell(row.rejected_tokens)}", right=True),
            Column("", lambda row: "" if row.eligible else f"not eligible: {row.reason}"),
        ],
        document.rows,
    )
    left = document.matching - len(document.rows)
    more = f"and {left:,} more (--top); " if left else ""
    first = f"{document.rows[0].pairing}/{document.rows[0].pair_id}"
    print_line(f"{more}why: {command_line(configfile, 'show', 'pair', first)}")


def _column(key: str) -> Column[PairRow]:
    signed = key.startswith("delta:") or key == "length"
    return Column(key, lambda row: _cell(value_of(row, key), signed=signed), right=True)


def _cell(value: float | str | None, *, signed: bool = False) -> str:
    match value:
        case None:
            return formats.NONE
        case bool():
            return str(value).lower()
        case float():
            return formats.signed(value) if signed else f"{value:.4g}"
        case int():
            return f"{value:+,}".replace("-", "−") if signed else f"{value:,}"
        case _:
            return str(value)
