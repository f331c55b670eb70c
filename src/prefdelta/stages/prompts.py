"""Stage prompts: the problems of one source (a training set or one benchmark), as a table.

Example: python -m prefdelta.stages.prompts --out prompts=p.parquet manifest=p.json --record record --settings
  '{"source": "train", "made": {"family": "maths", "operations": [2], "items": 9, "split": "pairs", "grader": "marker"},
    "seed": 1, "limit": null}'
"""

from itertools import islice
from typing import Annotated

from pydantic import Field

from prefdelta import tables
from prefdelta.core.ids import digest, fraction, seed_of
from prefdelta.core.settings import Settings
from prefdelta.core.sources import Source
from prefdelta.core.tasks.families import draw_problems
from prefdelta.records.prompt import Prompt
from prefdelta.stages.entry import Job, Outcome, start


class PromptsSettings(Settings):
    source: Annotated[str, Field(description="name of the training set or benchmark")]
    made: Annotated[Source, Field(description="how its problems are made")]
    seed: Annotated[int, Field(description="root of all draws")]
    limit: Annotated[int | None, Field(description="keep only so many, drawn by seed")] = None


def run(job: Job[PromptsSettings]) -> Outcome:
    settings, made = job.settings, job.settings.made
    seed = seed_of("prompts", settings.seed, settings.source)
    rows = [
        Prompt(digest([made.family, problem.question])[:16], settings.source, problem.question, [str(problem.answer())])
        for problem in islice(draw_problems(made.family, made.operations, made.split, seed), made.items)
    ]
    rows.sort(key=lambda row: fraction("limit", settings.seed, row.prompt_id))
    kept = rows[: settings.limit]
    tables.write(job.output("prompts"), Prompt, kept)
    return Outcome(len(rows), {"over_limit": len(rows) - len(kept)} if len(kept) < len(rows) else {})


if __name__ == "__main__":
    start(run, PromptsSettings, inputs={}, outputs={"prompts": "table of Prompt"})
