"""How much of each selection by a value is drawn among equal pairs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Pairing
from prefdelta.core.layout import place_of_job
from prefdelta.records.details.filter import FilterDetails, TieCounts
from prefdelta.reporting.arms import pairing_at
from prefdelta.reporting.manifests import FinishedJob, details_of


@dataclass(frozen=True, slots=True)
class TieLine:
    pairing: Pairing
    selection: str
    counts: TieCounts
    orders: Sequence[int]  # the orders of equal deltas with which its pairs were selected


def tie_lines(jobs: Iterable[FinishedJob]) -> list[TieLine]:
    """One line per pairing and selection by a value, in the order of the jobs. All orders count alike."""
    orders: dict[tuple[Pairing, str, TieCounts], list[int]] = {}
    for job, details in details_of(jobs, FilterDetails):
        if details.ties is not None:
            place = place_of_job(f"{job.stage}/{job.name}")
            key = pairing_at(place), place.axes["selection"], details.ties
            orders.setdefault(key, []).append(int(place.axes["order"]))
    return [TieLine(*key, orders=sorted(found)) for key, found in orders.items()]
