"""Manifests of all jobs: counts, failures, time and versions."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.errors import StudyError
from prefdelta.core.names import STAGES
from prefdelta.reporting.paths import part_after

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Manifest:
    stage: str
    job: str
    content: Mapping[str, Any]


def manifests(paths: Iterable[Path], study: str) -> list[Manifest]:
    """The manifests in order of their stages, then of their jobs."""
    found = []
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            stage = content["stage"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StudyError(
                f"{path}: is no manifest of a job ({error!r}). Delete it and run the workflow again."
            ) from None
        found.append(Manifest(stage, part_after(path, study, stage), content))
    return sorted(found, key=lambda manifest: (stage_order(manifest.stage), manifest.job))


def stage_order(stage: str) -> tuple[int, str]:
    """Sorts stages as data flows through them; unknown ones last."""
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def tie_seed(found: Iterable[Manifest]) -> int:
    """The seed by which the filter jobs order pairs of equal delta; 0 where there were none."""
    seeds = {manifest.content["settings"]["tie_seed"] for manifest in found if manifest.stage == "filter"}
    if len(seeds) > 1:
        raise StudyError(f"manifests of filter: they name several tie seeds ({sorted(seeds)}). Run the workflow again.")
    return int(seeds.pop()) if seeds else 0


def shipped(found: Iterable[Manifest]) -> frozenset[str]:
    """The generators whose traces a data set ships: nobody here chose their prompt and sampling."""
    return frozenset(
        str(manifest.content["settings"]["generator"])
        for manifest in found
        if manifest.stage == "generate" and manifest.content["settings"].get("shipped")
    )


def jobs_frame(found: Iterable[Manifest]) -> "pd.DataFrame":
    """One row per job: stage, job, rows, failures (reason -> count), failed, seconds, cpu_seconds, peak_mib."""
    import pandas as pd

    columns = ["stage", "job", "rows", "failures", "failed", "seconds", "cpu_seconds", "peak_mib"]
    rows = [
        (
            manifest.stage,
            manifest.job,
            manifest.content["rows"],
            manifest.content["failures"],
            sum(manifest.content["failures"].values()),
            *(manifest.content["run"][name] for name in ("seconds", "cpu_seconds", "peak_mib")),
        )
        for manifest in found
    ]
    return pd.DataFrame(rows, columns=columns)


def stages_frame(jobs: "pd.DataFrame") -> "pd.DataFrame":
    """One row per stage, in order: jobs, and the sums of the jobs' rows, failures and times; the largest peak."""
    found = jobs.groupby("stage", sort=False).agg(
        jobs=("job", "size"),
        rows=("rows", "sum"),
        failures=("failures", _added),
        failed=("failed", "sum"),
        seconds=("seconds", "sum"),
        cpu_seconds=("cpu_seconds", "sum"),
        peak_mib=("peak_mib", "max"),
    )
    return found.reset_index()


def wall_seconds(found: Sequence[Manifest]) -> float | None:
    """From the start of the first job to the end of the last."""
    starts = [datetime.fromisoformat(manifest.content["run"]["started"]).timestamp() for manifest in found]
    ends = [start + manifest.content["run"]["seconds"] for start, manifest in zip(starts, found, strict=True)]
    return max(ends) - min(starts) if found else None


def versions(found: Iterable[Manifest]) -> dict[str, Counter[str]]:
    """Package -> version -> how many jobs ran with it. `python` is one of them."""
    counts: dict[str, Counter[str]] = {}
    for manifest in found:
        run = manifest.content["run"]
        for name, version in {"python": run["python"], **run["versions"]}.items():
            counts.setdefault(name, Counter())[version] += 1
    return counts


def commits(found: Iterable[Manifest]) -> Counter[str]:
    """Commit -> how many jobs ran with it."""
    return Counter(manifest.content["run"]["commit"] or "unknown" for manifest in found)


def stage_settings(found: Iterable[Manifest]) -> dict[str, list[dict[str, Any]]]:
    """Stage -> its different settings, each with the jobs that ran with them."""
    by_text: dict[tuple[str, str], list[str]] = {}
    for manifest in found:
        text = json.dumps(manifest.content["settings"], sort_keys=True)
        by_text.setdefault((manifest.stage, text), []).append(manifest.job)
    stages: dict[str, list[dict[str, Any]]] = {}
    for (stage, text), jobs in by_text.items():
        stages.setdefault(stage, []).append({"jobs": jobs, "settings": json.loads(text)})
    return stages


def _added(failures: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in failures:
        total.update(counts)
    return total
