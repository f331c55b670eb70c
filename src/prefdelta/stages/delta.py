"""Stage delta: the sample deltas of one pairing's pool on one dimension, delta = score(chosen) - score(rejected)."""

from statistics import fmean

from prefdelta.core.failure_limits import count_failures
from prefdelta.core.pairs.deltas import sample_deltas
from prefdelta.core.people.judgements import people_judgements
from prefdelta.core.settings import Settings
from prefdelta.records.annotation import Annotation
from prefdelta.records.delta import Delta
from prefdelta.records.details.delta import DeltaDetails
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.store import tables
from prefdelta.workflow.job import Job, Outcome, start


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
    pairs = [pair for pair in tables.read(job.input("pairs"), Pair) if pair.pool]
    judgements = [row for path in job.inputs["judgements"] for row in tables.read(path, Judgement)]
    annotations = [row for path in job.inputs["annotations"] for row in tables.read(path, Annotation)]
    judgements += people_judgements(settings.chosen, settings.rejected, pairs, annotations)
    deltas = sample_deltas(settings.chosen, settings.rejected, pairs, judgements, settings.components)
    tables.write(job.output("deltas"), Delta, deltas)
    known = [row.delta for row in deltas if row.delta is not None]
    failures = count_failures(row.failure for row in deltas)
    return Outcome(len(deltas), failures, DeltaDetails(fmean(known) if known else None))


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
