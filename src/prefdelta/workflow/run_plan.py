"""The config and settings that a run's jobs were planned with, for jobs that start after somebody has edited files.

On a cluster, each job reads the workflow anew on its node, hours after it was planned. So the main process saves the
config as it has read it, and the settings of every job. A job uses that config even if its file was edited, and refuses
to run if its settings differ from the saved ones (a benchmark's file or the pins were edited).
"""

import json
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from prefdelta.core.errors import StudyError
from prefdelta.system.files import publish_text
from prefdelta.system.instance import INSTANCE

FILE = "run.plan.json"  # in results/<study>/: the plan of the last run
VARIABLE = "PREFDELTA_PLAN"  # in the environment of a run's jobs: "<run> <path>"
SHOWN = 5  # differences named in an error


def write(results: Path, config: Mapping[str, Any], settings: Mapping[str, str]) -> None:
    """Write the plan of this process's run, and put its path into the environment of the run's jobs.

    config: the content of the config file. settings: manifest -> the settings of its job, as JSON.
    """
    jobs = {manifest: json.loads(given) for manifest, given in settings.items()}
    # The config as YAML, since it may hold values that JSON cannot, a date for example.
    plan = {"run": str(INSTANCE), "config": yaml.safe_dump(_plain(config), sort_keys=False), "jobs": jobs}
    publish_text(results / FILE, json.dumps(plan) + "\n")
    os.environ[VARIABLE] = f"{INSTANCE} {results / FILE}"


def config() -> dict[str, Any] | None:
    """The config that this process's run was planned with; None if this process is not a job of a run.

    Raises StudyError if the plan cannot be read, or another run has begun.
    """
    plan = _read()
    return None if plan is None else dict(yaml.safe_load(plan["config"]))


def check(manifest: Path, settings: Mapping[str, Any]) -> None:
    """Raise StudyError if the run that started the job that writes `manifest` had planned it with other settings."""
    plan = _read()
    if plan is None or str(manifest) not in plan["jobs"]:  # a table that was asked for by name is not in the plan
        return
    planned, given = dict(_flat(plan["jobs"][str(manifest)])), dict(_flat(settings))
    changed = [key for key in dict.fromkeys([*planned, *given]) if planned.get(key) != given.get(key)]
    if not changed:
        return
    differences = [
        f"{key}: {json.dumps(planned.get(key))} -> {json.dumps(given.get(key))}" for key in islice(changed, SHOWN)
    ]
    more = f"; and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    raise StudyError(
        f"{manifest}: its job was planned with other settings than it has now: {'; '.join(differences)}{more}. The "
        "config, a benchmark's file or the pins were edited while the run went on. Nothing was made. Put the old text "
        "back, and the jobs that still wait go on; or end this run (prefdelta stop) and run the same snakemake command "
        "again: it plans with the new settings, and what is recorded is kept."
    )


def _read() -> dict[str, Any] | None:
    run, _, path = os.environ.get(VARIABLE, "").partition(" ")
    if not run:
        return None
    try:
        plan: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        writer = plan["run"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{path}: the plan that this job belongs to cannot be read ({error!r}). Run the same snakemake command "
            "again."
        ) from None
    if writer != run:
        raise StudyError(f"{path}: another run has begun since this job was planned; it does the job's work.")
    return plan


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values; lists are values."""
    if isinstance(value, Mapping) and (value or not path):
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def _plain(value: Any) -> Any:
    """Snakemake's own kinds of mappings and lists as Python's."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
