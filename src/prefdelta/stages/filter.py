"""Stage filter: the pairs of one selection, e.g. the k with the largest sample delta on a dimension."""

from typing import Annotated

from pydantic import Field

from prefdelta import tables
from prefdelta.core.selections import parse_selection, select
from prefdelta.core.settings import Settings
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair
from prefdelta.stages.entry import Job, Outcome, start


class FilterSection(Settings):
    tie_seed: int  # orders pairs of equal delta, and the pairs of `all` and `swapped`


class FilterSettings(Settings):
    selection: Annotated[str, Field(description="its name says what it selects")]
    tie_seed: Annotated[int, Field(description="orders pairs of equal delta")]


def run(job: Job[FilterSettings]) -> Outcome:
    pairs = tables.read(job.input("pairs"), Pair)
    deltas = {row.pair_id: row for path in job.inputs["deltas"] for row in tables.read(path, Delta)}
    selected = select(parse_selection(job.settings.selection), pairs, deltas, job.settings.tie_seed)
    tables.write(job.outputs["selected"], SelectedPair, selected)
    return Outcome(len(pairs), {"not_selected": len(pairs) - len(selected)})


if __name__ == "__main__":
    start(
        run,
        FilterSettings,
        inputs={"pairs": "table of Pair", "deltas": "table of Delta, or none if the selection needs none"},
        outputs={"selected": "table of SelectedPair"},
    )
