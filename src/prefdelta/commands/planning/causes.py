"""What made each planned job stale: the file or key that was changed, by what its last manifest says of them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.core.settings import Settings
from prefdelta.models.repositories import LOCK
from prefdelta.study.study import SETTINGS, Study
from prefdelta.workflow.job_source import job_sources, job_texts
from prefdelta.workflow.source import PACKAGE

NOT_MADE = "not made yet"
LONGEST = 40  # characters of a value that are shown
_HUB_NAME, _HUB_REVISION = ("hub", "name"), ("hub", "revision")  # in the settings of a job that runs a model
# What the parts of an output's path are, below its stage's folder.
_AXES = {
    "prompts": ("source",),
    "ladder": ("model",),
    "generate": ("generator",),
    "grade": ("generator",),
    "judge": ("generator", "form"),
    "pair": ("pairing",),
    "delta": ("pairing", "dimension"),
    "filter": ("pairing", "selection"),
    "reference": ("policy", "generator"),
    "train": ("policy", "pairing", "selection", "recipe", "seed"),
    "evaluate": ("policy", "pairing", "selection", "recipe", "seed", "group"),
}
# Of several that are new in one job, the first is told: the others may be new because of it.
_ORDER = (
    "model",
    "policy",
    "generator",
    "source",
    "dimension",
    "form",
    "pairing",
    "selection",
    "recipe",
    "seed",
    "group",
)
# Settings that list axes: a job of a batch, or the report, gets another list when an axis gets or loses a value.
_LISTS = {
    "train": ("selections",),
    "evaluate": ("arms",),
    "report": ("dimensions", "benchmarks", "experiments", "groups", "forms", "compared"),
}


@dataclass(slots=True)
class Causes:
    """Why one job is planned."""

    own: list[str] = field(default_factory=list)  # files and keys of its own
    inherited: list[str] = field(default_factory=list)  # those of the jobs that it stands on
    only_source: bool = False  # of its own there is nothing but source, which rarely changes what comes out
    only_absent: bool = False  # what is there of its outputs stays as it is: others are merely not there

    @property
    def all(self) -> list[str]:
        return list(dict.fromkeys([*self.own, *self.inherited]))


def find_causes(study: Study, jobs: Sequence[PlannedJob]) -> dict[str, Causes]:
    """Name of each job -> why it is planned."""
    made_by = {path: job for job in jobs for path in (*job.writes, job.manifest)}
    known = _known_values(study)
    found: dict[str, Causes] = {}

    def causes_of(job: PlannedJob) -> Causes:
        if job.name not in found:
            above = {made_by[path].name: made_by[path] for path in job.reads if path in made_by}
            found[job.name] = _causes(study, job, known, [(one, causes_of(one)) for one in above.values()])
        return found[job.name]

    for job in jobs:
        causes_of(job)
    return found


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest's content; nothing if it is not there or cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _causes(
    study: Study, job: PlannedJob, known: set[tuple[str, str]] | None, above: list[tuple[PlannedJob, Causes]]
) -> Causes:
    manifest = read_manifest(job.manifest)
    absent = [path for path in job.writes if not path.exists()]
    missing = sorted({_new(study, path, known) for path in absent})
    if missing and not manifest:
        return Causes(own=missing, only_absent=len(absent) == len(job.writes))
    settings: Settings = SETTINGS[job.stage].model_validate_json(job.settings)
    files = _changed_files(job, manifest)
    differences = _differences(study, job, manifest.get("settings", {}))
    lists = [told for key, told in differences if key in _LISTS.get(job.stage, ())]
    keys = [told for key, told in differences if key not in _LISTS.get(job.stage, ())]
    source = _changed_source(job, manifest, settings) if manifest else []
    if "Code has changed" in job.reason:  # Snakemake's word for the text of a rule's command
        source.append(f"workflow/rules/{job.stage}.smk changed")
    inherited = [f"{one.name} is made anew" if told == NOT_MADE else told for one, its in above for told in its.all]
    own = [*missing, *files, *keys, *source]
    if not own and not inherited:
        own = lists or [_as_told(job)]
    only_absent = bool(missing) and own == missing and all(its.only_absent for _, its in above)
    return Causes(own, list(dict.fromkeys(inherited)), only_source=own == source, only_absent=only_absent)


def _changed_files(job: PlannedJob, manifest: Mapping[str, Any]) -> list[str]:
    """What is told of the inputs that no job makes and that are not as they were, or not those that they were."""
    now = job_texts(job.reads, job.record)
    before = manifest.get("texts", now)
    gone, come = [path for path in before if path not in now], [path for path in now if path not in before]
    changed = [path for path, content in now.items() if before.get(path, content) != content]
    told = re.search(r"Updated input files: ([^;]+)", job.reason)  # also of those that were not read before
    changed += [path for path in (told[1].split(", ") if told else []) if path not in (*changed, *come)]
    others = zip_longest(gone, come, fillvalue="none")
    return [*(f"{path} changed" for path in changed), *(f"{old} -> {new}" for old, new in others)]


def _differences(study: Study, job: PlannedJob, before: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(first key, what is told) of each setting that is not as it was."""
    if not before:
        return []
    old, new = dict(_flat(before)), dict(_flat(json.loads(job.settings)))
    changed = [path for path in dict.fromkeys([*old, *new]) if old.get(path) != new.get(path)]
    if _HUB_NAME in changed:  # another model has another revision
        changed = [path for path in changed if path != _HUB_REVISION]
    return [
        (path[0], f"{_key(study, job, path)}: {_shown(old.get(path))} -> {_shown(new.get(path))}") for path in changed
    ]


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, (*path, name))
    else:
        yield path, value


def _key(study: Study, job: PlannedJob, path: tuple[str, ...]) -> str:
    """A setting of a job as the config has it."""
    from prefdelta.commands.planning.measures import model_of  # which reads manifests by this module

    first, rest = path[0], path[1:]
    match job.stage, first:
        case _, "seed" if job.stage != "train":
            return "seed"
        case _, "hub" if path == _HUB_REVISION:
            return f"{LOCK}: models.{json.loads(job.settings)['hub']['name']}.revision"
        case _, "hub":
            return f"models.{model_of(study, job.stage, job.name)}.hub"
        case _, "rendering":
            return "date" if rest == ("date",) else f"models.{model_of(study, job.stage, job.name)}.{'.'.join(rest)}"
        case "train", "recipe":
            return ".".join(["train.recipes", job.writes[0].parts[-3], *rest])
        case "ladder", "rung":
            return ".".join(["models", job.writes[0].parts[-2], "ladder", *rest])
        case "ladder", "shared":
            return ".".join(["ladder", *rest])
        case "prompts", "made":
            source = job.writes[0].stem
            where = "prompts.train" if source == "train" else f"resources/benchmarks/{source}.yaml: source"
            return ".".join([where, *rest])
        case "generate", "sampling" | "engine" | "samples" if first == "samples" or getattr(
            study.config.generators[json.loads(job.settings)["generator"]], first
        ):
            return ".".join(["generators", json.loads(job.settings)["generator"], *path])
    return ".".join([job.stage, *path])


def _shown(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _changed_source(job: PlannedJob, manifest: Mapping[str, Any], settings: Settings) -> list[str]:
    if manifest.get("code") == job.code:
        return []
    before, now = manifest.get("sources"), job_sources(job.stage, settings)
    if not before:
        return [f"source of {job.stage} changed"]
    modules = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return [f"source of {name.removeprefix(f'{PACKAGE}.')} changed" for name in modules]


def _as_told(job: PlannedJob) -> str:
    """What Snakemake says, where nothing of ours differs."""
    told = [part.partition(":")[0] for part in job.reason.split("; ")]
    return told[0][:1].lower() + told[0][1:] if told[0] else "snakemake gives no reason"


# --- axes -------------------------------------------------------------------------------------------------------------


def _known_values(study: Study) -> set[tuple[str, str]] | None:
    """(axis, value) of all outputs that are there; None if the study was never finished: then all is merely not yet."""
    if not any(Path(job.manifest).is_file() for job in study.written("report")):
        return None
    outputs = (Path(path) for stage in _AXES for job in study.written(stage) for path in job.outputs)
    return {value for path in outputs if path.exists() for value in _values(study, path)}


def _new(study: Study, output: Path, known: set[tuple[str, str]] | None) -> str:
    """Why an output is not there."""
    new = [] if known is None else [value for value in _values(study, output) if value not in known]
    return f"{new[0][0]} {new[0][1]} is new" if new else NOT_MADE


def _values(study: Study, output: Path) -> list[tuple[str, str]]:
    """(axis, value) of an output, in the order in which they are told."""
    stage, *parts = output.relative_to(study.results).with_suffix("").parts
    if parts[1:2] == ["base"]:  # an untrained policy
        parts = [parts[0], *[""] * 4, *parts[2:]]
    found = [(axis, value) for axis, value in zip(_AXES.get(stage, ()), parts, strict=False) if value]
    found += [("generator", side) for axis, value in found if axis == "pairing" for side in value.split("~")]
    return sorted(found, key=lambda value: _ORDER.index(value[0]))
