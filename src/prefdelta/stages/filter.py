"""Stage filter: the pairs of one selection, e.g. the k with the largest sample delta on a dimension."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.pairs.selection_kinds.common import common_prompts
from prefdelta.core.pairs.selections import CommonSet, count_ties, parse_selection, select
from prefdelta.core.settings import Settings
from prefdelta.records.delta import Delta
from prefdelta.records.details.filter import FilterDetails
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair
from prefdelta.store import tables
from prefdelta.workflow.job import Job, Outcome, start


class FilterSection(Settings):
    """The selections of pairs."""

    tie_seed: int
    """Seed of the order of pairs with equal delta, and of draws without a seed of their own. An edit may retrain all
    arms with such selections."""

    tie_order: Literal["per_seed", "fixed"] = "per_seed"
    """Which pairs of equal delta a selection by delta (top, bottom, length-matched) takes. per_seed: each training seed
    draws an order of its own, so that the spread over seeds holds this draw too; fixed: all seeds train on the same
    pairs. A new training seed adds jobs and repeats none. An edit of this key leaves seed 0 as it is, and selects and
    trains all other seeds of these selections anew."""

    max_drawn_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of a selection's pairs that may be drawn among pairs of equal delta, from 0 to 1. Above it, the report and
    `prefdelta plan` mark the selection and its arms. It stops nothing. An edit makes only the report anew."""

    sets: dict[str, CommonSet]
    """Name -> the pairings that the selection `common-<name>` compares, on prompts that are eligible in all of them."""

    cell_pairs: Annotated[int, Field(ge=1)] | None = None
    """Largest number of prompts of the correctness cells, the same prompts in all four. Default: all such prompts."""


class FilterSettings(Settings):
    selection: str
    """Name of the selection, which says what it selects."""

    tie_seed: int
    """Seed of the order of pairs with equal delta."""

    order: int
    """Which of the orders of pairs with equal delta: the training seed if each has its own, or else 0."""

    limit: int | None
    """Largest number of pairs of a common set or of a cell."""


def run(job: Job[FilterSettings]) -> Outcome:
    pairs = tables.read(job.input("pairs"), Pair)
    deltas = {row.pair_id: row for path in job.inputs["deltas"] for row in tables.read(path, Delta)}
    common = common_prompts(tables.read(path, Pair) for path in job.inputs["common"])
    selection = parse_selection(job.settings.selection)
    settings = job.settings
    selected = select(selection, pairs, deltas, settings.tie_seed, common, settings.limit, order=settings.order)
    tables.write(job.output("selected"), SelectedPair, selected)
    details = FilterDetails(count_ties(selection, pairs, deltas))
    return Outcome(len(pairs), {}, details, not_selected=len(pairs) - len(selected))


if __name__ == "__main__":
    start(
        run,
        FilterSettings,
        inputs={
            "pairs": "table of Pair",
            "deltas": "table of Delta, or none if the selection needs none",
            "common": "tables of Pair of a common set, or none",
        },
        outputs={"selected": "table of SelectedPair"},
    )
