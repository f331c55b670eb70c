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
    tie_seed: int  # orders pairs of equal delta, and what is drawn without a seed of its own
    sets: dict[str, CommonSet]  # name -> the pairings that `common-<name>` compares
    cell_pairs: Annotated[int, Field(ge=1)] | None = None  # at most so many prompts, the same for all four cells


class FilterSettings(Settings):
    selection: Annotated[str, Field(description="its name says what it selects")]
    tie_seed: Annotated[int, Field(description="orders pairs of equal delta")]
    limit: Annotated[int | None, Field(description="at most so many pairs of a common set or of a cell")]


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
