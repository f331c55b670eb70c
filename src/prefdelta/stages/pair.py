"""Stage pair: for every prompt, the chosen generator's trace against the rejected generator's."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from prefdelta.core.failure_limits import check_share, count_values
from prefdelta.core.pairs.forming import GRADE_COLUMNS, TRACE_COLUMNS, OfferedTraces, form_pairs
from prefdelta.core.pairs.joining import column
from prefdelta.core.settings import Settings
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.workflow.job import Job, Outcome, start

if TYPE_CHECKING:
    import pyarrow as pa


class PairSection(Settings):
    """The pairs of traces."""

    max_failure_share: Annotated[float, Field(ge=0, le=1)]
    """Largest share of prompts without an eligible pair; above it the stage stops."""


class PairSettings(Settings):
    chosen: str
    """Generator of the chosen traces."""

    rejected: str
    """Generator of the rejected traces."""

    judged: dict[str, int]
    """Generator -> how many first samples per prompt are judged."""

    max_failure_share: float
    """Largest share of failures; above it the stage stops."""


def run(job: Job[PairSettings]) -> Outcome:
    import pyarrow as pa

    pool, cells = _form(job)
    check_share(
        "pair.max_failure_share", len(pool), count_values(pool.column("reason")), job.settings.max_failure_share
    )
    pairs = pa.concat_tables([pool, cells]) if len(cells) else pool
    tables.write_arrow(job.output("pairs"), Pair, pairs)
    return Outcome(len(pairs), count_values(pairs.column("reason")))


def _form(job: Job[PairSettings]) -> "tuple[pa.Table, pa.Table]":
    """The pool, and the other pairs of the cells. The traces are let go before these are written."""
    chosen, rejected = job.settings.chosen, job.settings.rejected
    prompts = column(tables.read_arrow(job.input("prompts"), Prompt, ["prompt_id"]), "prompt_id")
    left, right = (
        OfferedTraces.of(
            prompts,
            tables.read_arrow(job.input(f"{side}_traces"), Trace, TRACE_COLUMNS),
            tables.read_arrow(job.input(f"{side}_grades"), Grade, GRADE_COLUMNS),
            job.settings.judged[name],
            parity if chosen == rejected else None,
        )
        for parity, (side, name) in enumerate((("chosen", chosen), ("rejected", rejected)))
    )
    return form_pairs(chosen, rejected, prompts, left, right)


if __name__ == "__main__":
    start(
        run,
        PairSettings,
        inputs={
            "prompts": "table of Prompt",
            "chosen_traces": "table of Trace",
            "chosen_grades": "table of Grade",
            "rejected_traces": "table of Trace",
            "rejected_grades": "table of Grade",
        },
        outputs={"pairs": "table of Pair"},
    )
