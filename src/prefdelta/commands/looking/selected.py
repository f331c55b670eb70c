"""Which selections took a pair, at which rank, and which arms train on it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from prefdelta.commands.looking.results import Results
from prefdelta.core.arms import Arm, Pairing
from prefdelta.core.layout import Place, place_of_job
from prefdelta.core.pairs.selection_kinds.matched import Matched
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.records.details.filter import FilterDetails, TieCounts
from prefdelta.records.manifest import Manifest
from prefdelta.records.selection import SelectedPair


@dataclass(frozen=True, slots=True)
class SelectionOrder:
    """The pairs of a selection in one order of equal pairs, and who trains on them."""

    selection: str
    order: int  # which of the orders of equal pairs
    state: str  # `selected`, or `not there yet`
    pairs: int | None
    pool: int | None  # pairs that could be taken or not: all of the pairing's pool
    ties: dict[str, Any] | None  # of a selection by a value: k, cut, above, tied, drawn, drawn_share
    arms: list[str]
    trained: list[str]  # of these, the arms that are trained


@dataclass(frozen=True, slots=True)
class TakenPair:
    """A pair in one selection."""

    selection: str
    order: int
    rank: int  # from 0
    of: int  # pairs of the selection
    swapped: bool  # trained with chosen and rejected exchanged
    drawn_among_ties: bool | None  # by lottery among equal pairs; None: its kind is not by a value
    arms: list[str]
    trained: list[str]


def orders_of(results: Results, pairing: Pairing) -> Iterator[tuple[Place, Manifest | None, SelectionOrder]]:
    """The selections of a pairing, each in all its orders, in the order of the jobs; also those not there yet."""
    arms: dict[str, list[Arm]] = {}
    for arm in results.study.arms:
        arms.setdefault(results.study.filter_job(arm), []).append(arm)
    for job in results.study.jobs("filter"):
        place = place_of_job(job.name)
        if Pairing(place.axes["chosen"], place.axes["rejected"]) != pairing:
            continue
        manifest = results.manifest("filter", **place.axes) if results.has("filter", **place.axes) else None
        ties = _ties(manifest)
        own = arms.get(job.name, [])
        yield (
            place,
            manifest,
            SelectionOrder(
                selection=place.axes["selection"],
                order=int(place.axes["order"]),
                state="selected" if results.has("filter", **place.axes) else "not there yet",
                pairs=manifest.rows - manifest.not_selected if manifest else None,
                pool=manifest.rows if manifest else None,
                ties=ties_document(ties) if ties else None,
                arms=list(map(str, own)),
                trained=[str(arm) for arm in own if results.policy(arm)],
            ),
        )


def taken(results: Results, pairing: Pairing, pair_id: str) -> list[TakenPair]:
    """The selections that took a pair, of those that are there."""
    found = []
    for place, manifest, order in orders_of(results, pairing):
        if order.state != "selected":
            continue
        for row in results.tables.rows("filter", SelectedPair, {"pair_id": pair_id}, **place.axes):
            found.append(
                TakenPair(
                    selection=order.selection,
                    order=order.order,
                    rank=row.rank,
                    of=len(results.tables.arrow("filter", SelectedPair, ["rank"], **place.axes)),
                    swapped=row.swapped,
                    drawn_among_ties=drawn_among_ties(order.selection, _ties(manifest), row.rank),
                    arms=order.arms,
                    trained=order.trained,
                )
            )
    return found


def not_selected_yet(results: Results, pairing: Pairing) -> list[str]:
    """The selections of a pairing of which a table is not there yet."""
    waiting = (order for _, _, order in orders_of(results, pairing) if order.state != "selected")
    return list(dict.fromkeys(order.selection for order in waiting))


def none_took_it(eligible: bool, not_selected_yet: Collection[str]) -> str:
    """What is said of a pair that no selection has: whether that can change."""
    if not eligible:
        return "no selection takes it: it is not eligible"
    return f"no selection took it{' yet' if not_selected_yet else ''}"


def drawn_among_ties(selection: str, ties: TieCounts | None, rank: int) -> bool | None:
    """Whether a pair was taken by lottery: the pairs better than the cut have the first ranks, those drawn the last.

    None for a selection that is not by a value, and for one matched to a top set: its counts are of that set.
    """
    if ties is None or isinstance(parse_selection(selection), Matched):
        return None
    return ties.drawn > 0 and rank >= ties.above


def ties_document(ties: TieCounts) -> dict[str, Any]:
    return {
        "k": ties.k,
        "cut": ties.cut,
        "above": ties.above,
        "tied": ties.tied,
        "drawn": ties.drawn,
        "drawn_share": ties.drawn_share,
    }


def _ties(manifest: Manifest | None) -> TieCounts | None:
    return manifest.details.ties if manifest and isinstance(manifest.details, FilterDetails) else None
