"""Stage filter: the pairs of one selection, e.g. the k with the largest sample delta on a dimension."""

from typing import Annotated

from pydantic import Field

from prefdelta.core.pairs.selection_kinds.common import common_prompts
from prefdelta.core.pairs.selections import CommonSet, parse_selection, select
from prefdelta.core.settings import Settings
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair
from prefdelta.store import tables
from prefdelta.workflow.job import Job, Outcome, start


class FilterSection(Settings):
    """The selections of pairs."""

    tie_seed: int
    """Seed of the order of pairs with equal delta, and of draws without a seed of their own. An edit may retrain all
    arms with such selections."""

    sets: dict[str, CommonSet]
    """Name -> the pairings that the selection `common-<name>` compares, on prompts that are eligible in all of them."""

    cell_pairs: Annotated[int, Field(ge=1)] | None = None
    """Largest number of prompts of the correctness cells, the same prompts in all four. Default: all such prompts."""


class FilterSettings(Settings):
    selection: str
    """Name of the selection, which says what it selects."""

    tie_seed: int
    """Seed of the order of pairs with equal delta."""

    limit: int | None
    """Largest number of pairs of a common set or of a cell."""


def run(job: Job[FilterSettings]) -> Outcome:
    pairs = tables.read(job.input("pairs"), Pair)
    deltas = {row.pair_id: row for path in job.inputs["deltas"] for row in tables.read(path, Delta)}
    common = common_prompts(tables.read(path, Pair) for path in job.inputs["common"])
    selection = parse_selection(job.settings.selection)
    selected = select(selection, pairs, deltas, job.settings.tie_seed, common, job.settings.limit)
    tables.write(job.output("selected"), SelectedPair, selected)
    return Outcome(len(pairs), {}, not_selected=len(pairs) - len(selected))


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
