"""Stage delta: the sample deltas of one pairing's pool on one dimension, delta = score(chosen) - score(rejected)."""

from collections.abc import Iterator
from itertools import chain
from math import fsum
from typing import TYPE_CHECKING

from prefdelta.core.failure_limits import count_values
from prefdelta.core.pairs.deltas import JUDGEMENT_COLUMNS, PAIR_COLUMNS, sample_deltas
from prefdelta.core.pairs.joining import values
from prefdelta.core.people.judgements import people_judgements
from prefdelta.core.settings import Settings
from prefdelta.records.annotation import Annotation
from prefdelta.records.delta import Delta
from prefdelta.records.details.delta import DeltaDetails
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.store import tables
from prefdelta.workflow.job import Job, Outcome, start

if TYPE_CHECKING:
    import pyarrow as pa


class DeltaSection(Settings):
    """The sample deltas."""

    composites: dict[str, list[str]]
    """Name of a composite dimension -> the dimensions of which it is the mean."""


class DeltaSettings(Settings):
    chosen: str
    """Generator of the chosen traces."""

    rejected: str
    """Generator of the rejected traces."""

    components: list[str]
    """The dimension itself; for a composite, the dimensions of which it is the mean."""


def run(job: Job[DeltaSettings]) -> Outcome:
    settings = job.settings
    pairs = tables.read_arrow(job.input("pairs"), Pair, [*PAIR_COLUMNS, "pool"])
    pairs = pairs.filter(pairs.column("pool"))
    judgements = chain(
        (tables.read_arrow(path, Judgement, JUDGEMENT_COLUMNS) for path in job.inputs["judgements"]), _of_people(job)
    )
    deltas = sample_deltas(settings.chosen, settings.rejected, pairs, judgements, settings.components)
    tables.write_arrow(job.output("deltas"), Delta, deltas)
    known = deltas.column("delta").drop_null()
    details = DeltaDetails(fsum(values(known)) / len(known) if len(known) else None)
    return Outcome(len(deltas), count_values(deltas.column("failure")), details)


def _of_people(job: Job[DeltaSettings]) -> "Iterator[pa.Table]":
    """People's judgements of the pairs, if there are any."""
    if not job.inputs["annotations"]:
        return
    pairs = [pair for pair in tables.read(job.input("pairs"), Pair) if pair.pool]
    annotations = (row for path in job.inputs["annotations"] for row in tables.read(path, Annotation))
    judgements = people_judgements(job.settings.chosen, job.settings.rejected, pairs, annotations)
    yield tables.arrow_of(Judgement, judgements)


if __name__ == "__main__":
    start(
        run,
        DeltaSettings,
        inputs={
            "pairs": "table of Pair",
            "judgements": "tables of Judgement, both generators, all forms needed; none for people's deltas",
            "annotations": "tables of Annotation, for people's deltas",
        },
        outputs={"deltas": "table of Delta"},
    )
