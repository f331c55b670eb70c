"""A selection: how many pairs it took, how many by lottery among equal ones, and the arms that train on it.

prefdelta show selection g3~g1/top-mean-700 --configfile resources/studies/mini.yaml
"""

import argparse
from dataclasses import asdict, dataclass
from typing import Any

from prefdelta.commands.looking.names import find_pairing
from prefdelta.commands.looking.results import Results, unknown
from prefdelta.commands.looking.selected import SelectionOrder, orders_of
from prefdelta.commands.output import Column, number_of_lines, print_facts, print_heading, print_line, print_table
from prefdelta.commands.show.pair import arms_line
from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.selection_kinds.by_value import ByValue
from prefdelta.core.pairs.selection_kinds.matched import Matched
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.records.details.filter import FilterDetails
from prefdelta.records.selection import SelectedPair
from prefdelta.reporting import formats


@dataclass(frozen=True, slots=True)
class SelectionDocument:
    study: str
    pairing: str
    selection: str
    about: str  # which pairs its kind takes
    orders: list[SelectionOrder]
    match: list[dict[str, Any] | None]  # by order: how alike a matched selection and its top set are
    first: list[SelectedPair]  # the first pairs in the first order that is there; by a value, the best


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--top", type=number_of_lines, default=5, metavar="N", help="list the first N pairs (default: %(default)s)"
    )


def read(results: Results, arguments: argparse.Namespace) -> SelectionDocument:
    first, slash, selection = arguments.id.partition("/")
    if not slash:
        raise StudyError(f"{arguments.id!r} is not the name of a pairing's selection; they read <pairing>/<selection>.")
    pairing = find_pairing(results, first)
    found = list(orders_of(results, pairing))
    orders = [(place, manifest, order) for place, manifest, order in found if order.selection == selection]
    if not orders:
        raise unknown(f"selection of {pairing}", selection, sorted({order.selection for _, _, order in found}))
    details = [manifest.details if manifest else None for _, manifest, _ in orders]
    rows: list[SelectedPair] = []
    for place, _, order in orders:
        if order.state == "selected" and not rows:
            table = results.tables.rows("filter", SelectedPair, None, **place.axes)
            rows = [row for row in table if row.rank < arguments.top]
    return SelectionDocument(
        study=results.name,
        pairing=str(pairing),
        selection=selection,
        about=parse_selection(selection).ABOUT,
        orders=[order for _, _, order in orders],
        match=[asdict(one.match) if isinstance(one, FilterDetails) and one.match else None for one in details],
        first=rows,
    )


def show(document: SelectionDocument, arguments: argparse.Namespace) -> None:
    print_line(f"selection {document.pairing}/{document.selection} of the study {document.study}")
    print_facts({"takes": document.about})
    for order, match in zip(document.orders, document.match, strict=True):
        several = f"order {order.order} of equal pairs" if len(document.orders) > 1 else "pairs"
        print_heading(several)
        print_facts(_facts(order, match))
    if document.first:
        print_heading("best pairs" if _by_value(document.selection) else "first pairs")
        print_table(
            [
                Column("rank (from 0)", lambda row: str(row.rank), right=True),
                Column("pair", lambda row: f"{document.pairing}/{row.pair_id}"),
                Column("swapped", lambda row: "yes" if row.swapped else ""),
            ],
            document.first,
        )


def _by_value(selection: str) -> bool:
    """Whether its pairs are ranked by a value. One matched to a top set has the order of that set's pairs."""
    kind = parse_selection(selection)
    return isinstance(kind, ByValue) and not isinstance(kind, Matched)


def _facts(order: SelectionOrder, match: dict[str, Any] | None) -> dict[str, str]:
    if order.state != "selected":
        return {"state": order.state, "arms": arms_line(order.arms, order.trained)}
    facts = {"pairs": f"{formats.count(order.pairs)} of {formats.count(order.pool)} in the pool"}
    if ties := order.ties:
        of = " of the top set that it matches" if match else ""
        facts["drawn among ties"] = (
            f"{ties['drawn']:,} of {ties['k']:,}{of} ({formats.percent(ties['drawn_share'])}%): {ties['above']:,} are "
            f"better than the cut at {ties['cut']:.4g}, {ties['tied']:,} are equal to it"
        )
    else:
        by_value = isinstance(parse_selection(order.selection), ByValue)
        facts["drawn among ties"] = "not known" if by_value else "not a selection by a value"
    if match:
        facts["matched"] = (
            f"{match['alike']:,} of {match['k']:,} equal in all that is matched, {match['far']:,} far off"
        )
    return {**facts, "arms": arms_line(order.arms, order.trained) or formats.NONE}
