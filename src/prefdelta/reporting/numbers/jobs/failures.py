"""Rows that failed: how many of which stage, for which reason, and of which generator."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import filterfalse

from prefdelta.core.arms import undrawn
from prefdelta.reporting.manifests import FinishedJob

# Stage -> what becomes of a row that failed there.
CONSEQUENCES: Mapping[str, str] = {
    "prompts": "nobody is asked it",
    "generate": "is not graded, judged or paired",
    "grade": "a truncated trace is in no eligible pair; one without a verdict is in no cell, neither right nor wrong",
    "judge": "its pair has no delta by the dimension, so no selection by it takes the pair",
    "pair": "has no deltas, and nothing is trained on it",
    "delta": "no selection by the dimension takes the pair, and means lack it",
    "reference": "nothing is trained on a pair with it",
    "train": "is not evaluated",
    "evaluate": "not solved, if truncated or without an answer; not counted, if it could not be run or graded",
}
_OF_GENERATORS = ("generate", "grade", "judge")


@dataclass(frozen=True, slots=True)
class FailureLine:
    stage: str
    reason: str
    failed: int  # rows
    rows: int  # of the stage
    consequence: str  # what becomes of such a row

    @property
    def share(self) -> float:
        return self.failed / self.rows


@dataclass(frozen=True, slots=True)
class GeneratorFailures:
    """Of all draws of a generator's traces."""

    generator: str
    traces: int
    by_stage: Mapping[str, tuple[Mapping[str, int], int]]  # stage -> (reason -> rows), rows

    def share(self, stage: str, *reasons: str) -> float | None:
        """The share of a stage's rows that failed for these reasons, or for any; None without rows."""
        failed, rows = self.by_stage[stage]
        return sum(failed.get(reason, 0) for reason in reasons or failed) / rows if rows else None

    def otherwise(self, stage: str, *reasons: str) -> float | None:
        """The share of a stage's rows that failed for other reasons; None without rows."""
        failed, rows = self.by_stage[stage]
        return sum(number for reason, number in failed.items() if reason not in reasons) / rows if rows else None


def failure_lines(jobs: Iterable[FinishedJob]) -> list[FailureLine]:
    """One line per stage and reason: stages in order, frequent reasons first."""
    rows: Counter[str] = Counter()
    failed: dict[str, Counter[str]] = {}
    for job in filterfalse(_is_shard, jobs):
        rows[job.stage] += job.manifest.rows
        failed.setdefault(job.stage, Counter()).update(job.manifest.failures)
    return [
        FailureLine(stage, reason, number, rows[stage], CONSEQUENCES.get(stage, ""))
        for stage, reasons in failed.items()
        for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        if rows[stage]
    ]


def generator_failures(jobs: Sequence[FinishedJob]) -> list[GeneratorFailures]:
    """One line per generator that made traces, by name."""
    rows: dict[str, Counter[str]] = {}
    failed: dict[tuple[str, str], Counter[str]] = {}
    for job in jobs:
        if job.stage not in _OF_GENERATORS or _is_shard(job):
            continue
        generator = undrawn(job.name.partition("/")[0])
        rows.setdefault(generator, Counter())[job.stage] += job.manifest.rows
        failed.setdefault((generator, job.stage), Counter()).update(job.manifest.failures)
    return [
        GeneratorFailures(
            generator,
            counts["generate"],
            {stage: (failed.get((generator, stage), {}), counts[stage]) for stage in _OF_GENERATORS},
        )
        for generator, counts in sorted(rows.items())
    ]


def _is_shard(job: FinishedJob) -> bool:
    """Whether its rows are those of another job, too."""
    return "/shard-" in job.name
