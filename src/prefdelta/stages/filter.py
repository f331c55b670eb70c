"""Stage filter: the pairs of one selection, e.g. the k with the largest sample delta on a dimension."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.pairs.matching import CALIPER, pass_rates
from prefdelta.core.pairs.selection_kinds.common import common_prompts
from prefdelta.core.pairs.selection_kinds.likely_rejected import rejected_logps
from prefdelta.core.pairs.selections import DELTA_COLUMNS, CommonSet, columns_of, parse_selection, select
from prefdelta.core.settings import Settings
from prefdelta.records.delta import Delta
from prefdelta.records.details.filter import FilterDetails, MatchQuality
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.selection import SelectedPair
from prefdelta.store import tables
from prefdelta.system.log import say
from prefdelta.workflow.job import Job, Outcome, start


class FilterSection(Settings):
    """The selections of pairs."""

    tie_seed: int
    """Seed of the order of pairs with equal delta, and of draws without a seed of their own. An edit may retrain all
    arms with such selections."""

    tie_order: Literal["per_seed", "fixed"] = "per_seed"
    """Which of equal pairs a selection by delta or by score (top, bottom, top-chosen, low-rejected, matched) takes.
    per_seed: each training seed draws an order of its own, so that the spread over seeds holds this draw too; fixed:
    all seeds train on the same pairs. A new training seed adds jobs and repeats none. An edit of this key leaves seed 0
    as it is, and selects and trains all other seeds of these selections anew."""

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
    import pyarrow as pa

    settings = job.settings
    selection = parse_selection(settings.selection)
    pairs = tables.read_arrow(job.input("pairs"), Pair, columns_of(selection))
    grades = [tables.read_arrow(path, Grade, ["prompt_id", "correct", "failure"]) for path in job.inputs["grades"]]
    reference = (row for path in job.inputs["reference"] for row in tables.read(path, ReferenceLogps))
    selected = select(
        selection,
        pairs,
        *(tables.read_arrow(path, Delta, list(DELTA_COLUMNS)) for path in job.inputs["deltas"]),
        tie_seed=settings.tie_seed,
        common=common_prompts(
            tables.read_arrow(path, Pair, ["prompt_id", "pool", "eligible"]) for path in job.inputs["common"]
        ),
        limit=settings.limit,
        order=settings.order,
        pass_rates=pass_rates(pa.concat_tables(grades)) if grades else {},
        logps=rejected_logps(pairs, reference) if selection.policy else {},
    )
    taken, match = selected.pairs, selected.match
    tables.write_arrow(job.output("selected"), SelectedPair, taken)
    if match is not None:
        _log(match)
    details = FilterDetails(selected.ties, match)
    return Outcome(len(pairs), {}, details, not_selected=len(pairs) - len(taken))


def _log(match: MatchQuality) -> None:
    say(
        f"matched: {match.k:,} pairs of {match.others:,} outside of the top set; {match.alike:,} are equal to their "
        f"match, {match.far:,} are more than {CALIPER} standard deviations from it"
    )
    for line in match.balance:
        before, after = ("undefined" if smd is None else f"{smd:+.3f}" for smd in (line.before, line.after))
        asked = "matched" if line.matched_on else "not matched"
        say(f"standardised mean difference of {line.covariate} ({asked}): {before} before, {after} after matching")


if __name__ == "__main__":
    start(
        run,
        FilterSettings,
        inputs={
            "pairs": "table of Pair",
            "deltas": "table of Delta, or none if the selection needs none",
            "common": "tables of Pair of a common set, or none",
            "grades": "table of Grade of the rejected generator, or none if nothing is matched",
            "reference": "table of ReferenceLogps of the rejected generator, or none if the selection names no policy",
        },
        outputs={"selected": "table of SelectedPair"},
    )
