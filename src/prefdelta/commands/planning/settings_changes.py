"""Which settings of a job have changed since it ran last, by the keys of the config."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.commands.planning.models import model_of
from prefdelta.core.arms import undrawn
from prefdelta.core.asking.judges import judge_in
from prefdelta.models.repositories import LOCK
from prefdelta.study.study import Study

LONGEST = 40  # characters of a value that are shown
_HUB_NAME, _HUB_REVISION = ("hub", "name"), ("hub", "revision")  # in the settings of a job that runs a model


def changed_settings(study: Study, job: PlannedJob, before: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(first key, change in words) of each changed setting of the job. before: its settings when it ran last."""
    if not before:
        return []
    old, new = dict(_flat(before)), dict(_flat(json.loads(job.settings)))
    changed = [path for path in dict.fromkeys([*old, *new]) if old.get(path) != new.get(path)]
    if _HUB_NAME in changed:  # another model has another revision
        changed = [path for path in changed if path != _HUB_REVISION]
    return [
        (path[0], f"{_key(study, job, path)}: {_value(old.get(path))} -> {_value(new.get(path))}") for path in changed
    ]


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, (*path, name))
    else:
        yield path, value


def _key(study: Study, job: PlannedJob, path: tuple[str, ...]) -> str:
    """The config's key of a job's setting."""
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
        case "judge", "engine" | "sampling" | "votes" | "prompts":
            return ".".join([_judge_key(study, job, first), *path])
        case "generate", "sampling" | "engine" | "samples" if first == "samples" or getattr(
            study.config.generator(json.loads(job.settings)["generator"]), first
        ):
            return ".".join(["generators", undrawn(json.loads(job.settings)["generator"]), *path])
    return ".".join([job.stage, *path])


def _judge_key(study: Study, job: PlannedJob, setting: str) -> str:
    """The section that holds a setting of a judge's job: another judge's own one, or that of the study's judge."""
    name = judge_in(job.name.rpartition("/")[2])
    other = study.config.judge.others.get(name or "")
    if other and getattr(other, setting) is not None:
        return f"judge.others.{name}"
    return "judge.compared" if setting == "prompts" else "judge"


def _value(value: Any) -> str:
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
