"""The file or key whose change made each planned job stale, by comparison with its last manifest."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from prefdelta.commands.planning.axes import NOT_MADE, known_values, why_absent
from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.commands.planning.last_manifest import read_manifest
from prefdelta.commands.planning.settings_changes import changed_settings
from prefdelta.core.settings import Settings
from prefdelta.study.job_settings import SETTINGS
from prefdelta.study.study import Study
from prefdelta.workflow.job_source import job_sources, job_texts
from prefdelta.workflow.source import PACKAGE

# Settings that list axes: a job of a batch, or a page, gets another list when an axis gets or loses a value. And
# `written`, the digest of all settings.
_LISTS = {
    "train": ("arms",),
    "evaluate": ("arms",),
    "browse": ("dimensions", "forms", "generators", "arms", "benchmarks", "hub"),
    "report": (
        *("dimensions", "benchmarks", "experiments", "groups", "plan"),
        *("forms", "compared", "same_judge", "people", "example", "written"),
    ),
}


@dataclass(slots=True)
class Causes:
    """Why one job is planned."""

    own: list[str] = field(default_factory=list)  # files and keys of its own
    inherited: list[str] = field(default_factory=list)  # files and keys of the jobs that it depends on
    only_source: bool = False  # its own causes are source alone, which rarely changes an output
    only_absent: bool = False  # its existing outputs stay; only missing ones are made

    @property
    def all(self) -> list[str]:
        return list(dict.fromkeys([*self.own, *self.inherited]))


def find_causes(study: Study, jobs: Sequence[PlannedJob]) -> dict[str, Causes]:
    """Name of each job -> why it is planned."""
    made_by = {path: job for job in jobs for path in (*job.writes, job.manifest)}
    known = known_values(study)
    by_name: dict[str, Causes] = {}

    def causes_of(job: PlannedJob) -> Causes:
        if job.name not in by_name:
            above = {made_by[path].name: made_by[path] for path in job.reads if path in made_by}
            by_name[job.name] = _causes(study, job, known, [(maker, causes_of(maker)) for maker in above.values()])
        return by_name[job.name]

    for job in jobs:
        causes_of(job)
    return by_name


def _causes(
    study: Study, job: PlannedJob, known: set[tuple[str, str]] | None, above: list[tuple[PlannedJob, Causes]]
) -> Causes:
    manifest = read_manifest(job.manifest)
    absent = [path for path in job.writes if not path.exists()]
    missing = sorted({why_absent(study, path, known) for path in absent})
    if missing and not manifest:
        return Causes(own=missing, only_absent=len(absent) == len(job.writes))
    settings: Settings = SETTINGS[job.stage].model_validate_json(job.settings)
    files = _changed_files(job, manifest)
    changes = changed_settings(study, job, manifest.get("settings", {}))
    lists = [change for key, change in changes if key in _LISTS.get(job.stage, ())]
    keys = [change for key, change in changes if key not in _LISTS.get(job.stage, ())]
    source = _changed_source(job, manifest, settings) if manifest else []
    if "Code has changed" in job.reason:  # Snakemake's word for the text of a rule's command
        source.append(f"workflow/rules/{job.stage}.smk changed")
    inherited = [
        f"{maker.name} is made anew" if cause == NOT_MADE else cause for maker, causes in above for cause in causes.all
    ]
    own = [*missing, *files, *keys, *source]
    if not own and not inherited:
        own = lists or [_reason(job)]
    only_absent = bool(missing) and own == missing and all(causes.only_absent for _, causes in above)
    return Causes(own, list(dict.fromkeys(inherited)), only_source=own == source, only_absent=only_absent)


def _changed_files(job: PlannedJob, manifest: Mapping[str, Any]) -> list[str]:
    """In words: which inputs that no job makes have new content, or are other files than before."""
    now = job_texts(job.reads, job.record)
    before = manifest.get("texts", now)
    gone, come = [path for path in before if path not in now], [path for path in now if path not in before]
    changed = [path for path, content in now.items() if before.get(path, content) != content]
    updated = re.search(r"Updated input files: ([^;]+)", job.reason)  # also files that were not read before
    changed += [path for path in (updated[1].split(", ") if updated else []) if path not in (*changed, *come)]
    others = zip_longest(gone, come, fillvalue="none")
    return [*(f"{path} changed" for path in changed), *(f"{old} -> {new}" for old, new in others)]


def _changed_source(job: PlannedJob, manifest: Mapping[str, Any], settings: Settings) -> list[str]:
    if manifest.get("code") == job.code:
        return []
    before, now = manifest.get("sources"), job_sources(job.stage, settings)
    if not before:
        return [f"source of {job.stage} changed"]
    modules = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return [f"source of {name.removeprefix(f'{PACKAGE}.')} changed" for name in modules]


def _reason(job: PlannedJob) -> str:
    """The reason that Snakemake gives, if neither files nor keys nor source have changed."""
    reason = job.reason.split("; ")[0].partition(":")[0]
    return reason[:1].lower() + reason[1:] if reason else "snakemake gives no reason"
