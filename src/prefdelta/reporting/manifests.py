"""Manifests of all jobs: counts, failures, time and versions."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from prefdelta.core.errors import StudyError
from prefdelta.core.layout import name_below
from prefdelta.core.stage_names import STAGES
from prefdelta.records.details.contract import Details
from prefdelta.records.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd

D = TypeVar("D", bound=Details)


@dataclass(frozen=True, slots=True)
class FinishedJob:
    name: str  # without its stage, for example `g3~g1/logic`
    manifest: Manifest

    @property
    def stage(self) -> str:
        return self.manifest.stage


def read_jobs(paths: Iterable[Path], study: str) -> list[FinishedJob]:
    """The jobs of some manifests, in order of their stages, then of their names.

    Raises StudyError for a file that is not a manifest, or that is not in the study's folder.
    """
    jobs = []
    for path in paths:
        name = name_below(path, study).partition("/")[2]
        try:
            jobs.append(FinishedJob(name, Manifest.from_json(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StudyError(
                f"{path}: is not a manifest of a job ({error!r}). Delete it and run the workflow again."
            ) from None
    return sorted(jobs, key=lambda job: (stage_order(job.stage), job.name))


def details_of(jobs: Iterable[FinishedJob], kind: type[D]) -> Iterator[tuple[FinishedJob, D]]:
    """The jobs whose details have the type `kind` (the jobs of one stage), each with its details."""
    for job in jobs:
        if isinstance(job.manifest.details, kind):
            yield job, job.manifest.details


def stage_order(stage: str) -> tuple[int, str]:
    """Sort key of stages: the order of the data flow, with unknown stages last."""
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def shipped_generators(jobs: Iterable[FinishedJob]) -> frozenset[str]:
    """The generators whose traces a data set ships: this study did not choose their prompt and sampling."""
    generated = (job.manifest.typed_settings for job in jobs if job.stage == "generate")
    return frozenset(settings.generator for settings in generated if settings.shipped and settings.generator)


def jobs_frame(jobs: Iterable[FinishedJob]) -> "pd.DataFrame":
    """One row per job: stage, job, rows, failures (reason -> count), failed, seconds, cpu_seconds, peak_mib."""
    import pandas as pd

    columns = ["stage", "job", "rows", "failures", "failed", "seconds", "cpu_seconds", "peak_mib"]
    rows = []
    for job in jobs:
        manifest, run = job.manifest, job.manifest.run
        failed = sum(manifest.failures.values())
        rows.append(
            (
                job.stage,
                job.name,
                manifest.rows,
                manifest.failures,
                failed,
                run.seconds,
                run.cpu_seconds,
                run.peak_mib,
            )
        )
    return pd.DataFrame(rows, columns=columns)


def stages_frame(jobs: "pd.DataFrame") -> "pd.DataFrame":
    """One row per stage, in order: jobs, and the sums of the jobs' rows, failures and times; the largest peak."""
    grouped = jobs.groupby("stage", sort=False).agg(
        jobs=("job", "size"),
        rows=("rows", "sum"),
        failures=("failures", _total),
        failed=("failed", "sum"),
        seconds=("seconds", "sum"),
        cpu_seconds=("cpu_seconds", "sum"),
        peak_mib=("peak_mib", "max"),
    )
    return grouped.reset_index()


def wall_seconds(jobs: Sequence[FinishedJob]) -> float | None:
    """Seconds from the start of the first job to the end of the last; None without jobs."""
    runs = [job.manifest.run for job in jobs]
    starts = [datetime.fromisoformat(run.started).timestamp() for run in runs]
    ends = [start + run.seconds for start, run in zip(starts, runs, strict=True)]
    return max(ends) - min(starts) if jobs else None


def versions(jobs: Iterable[FinishedJob]) -> dict[str, Counter[str]]:
    """Package -> version -> how many jobs ran with it. `python` is one of them."""
    counts: dict[str, Counter[str]] = {}
    for job in jobs:
        run = job.manifest.run
        for name, version in {"python": run.python, **run.versions}.items():
            counts.setdefault(name, Counter())[version] += 1
    return counts


def commits(jobs: Iterable[FinishedJob]) -> Counter[str]:
    """Commit -> how many jobs ran with it."""
    return Counter(job.manifest.run.commit or "unknown" for job in jobs)


def stage_settings(jobs: Iterable[FinishedJob]) -> dict[str, list[dict[str, Any]]]:
    """Stage -> its different settings, each with the jobs that ran with them."""
    by_text: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        text = json.dumps(job.manifest.settings, sort_keys=True)
        by_text.setdefault((job.stage, text), []).append(job.name)
    stages: dict[str, list[dict[str, Any]]] = {}
    for (stage, text), names in by_text.items():
        stages.setdefault(stage, []).append({"jobs": names, "settings": json.loads(text)})
    return stages


def _total(failures: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in failures:
        total.update(counts)
    return total
