"""Stage pair: for every prompt, the chosen generator's trace against the rejected generator's."""

from typing import Annotated

from pydantic import Field

from prefdelta.core.failure_limits import check_share, count_failures
from prefdelta.core.pairs.forming import cell_pairs, pool_pairs
from prefdelta.core.settings import Settings
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.workflow.job import Job, Outcome, start


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
    chosen, rejected = job.settings.chosen, job.settings.rejected
    prompts = tables.read(job.input("prompts"), Prompt)
    traces = {name: tables.read(job.input(f"{side}_traces"), Trace) for side, name in _sides(job.settings)}
    grades = {name: tables.read(job.input(f"{side}_grades"), Grade) for side, name in _sides(job.settings)}
    prompt_ids = [prompt.prompt_id for prompt in prompts]
    pool = pool_pairs(chosen, rejected, prompt_ids, traces, grades, job.settings.judged)
    cells = cell_pairs(chosen, rejected, prompt_ids, traces, grades, job.settings.judged)
    check_share(
        "pair.max_failure_share", len(pool), count_failures(p.reason for p in pool), job.settings.max_failure_share
    )
    tables.write(job.output("pairs"), Pair, [*pool, *cells])
    return Outcome(len(pool) + len(cells), count_failures(pair.reason for pair in (*pool, *cells)))


def _sides(settings: PairSettings) -> list[tuple[str, str]]:
    return [("chosen", settings.chosen), ("rejected", settings.rejected)]


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
