"""The source and texts that a job uses, and the check that its source is the one it was planned with."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.settings import Settings
from prefdelta.system import plugins
from prefdelta.system.files import sha256_of
from prefdelta.workflow import source

PLANNED = "PREFDELTA_PLANNED"  # in the environment: the source that the main process planned with, `job_code` by name


def job_code(stage: str, settings: Settings) -> tuple[str, str]:
    """The source that a stage's job runs with these settings: its name (stage and plug-ins), and its digest."""
    return "+".join([stage, *sorted(settings.plugins())]), source.digest(*_modules(stage, settings))


def job_sources(stage: str, settings: Settings) -> dict[str, str]:
    """The modules that the digest of `job_code` covers, each with its own digest."""
    return source.sources(*_modules(stage, settings))


def job_texts(inputs: Iterable[Path], record: Path) -> dict[str, str]:
    """Path -> sha256 of each input that people edit, that is, which is not a result of the study."""
    texts = (path for path in inputs if not path.is_relative_to(record.parent) and path.is_file())
    return {str(path): sha256_of(path) for path in texts}


def check_source(stage: str, settings: Settings, planned_code: str) -> str:
    """The digest of the source that is about to run. Raises StudyError if the job was planned with another.

    A job is planned twice: in the main process, which exports the digest by environment, and, on a cluster, by the
    Snakemake that the job itself starts on its node, which may see later source.
    """
    name, digest = job_code(stage, settings)
    planned = {planned_code, json.loads(os.environ.get(PLANNED, "{}")).get(name, "")}
    if others := planned - {digest, ""}:
        raise StudyError(
            f"the source of {stage} is not the one this job was planned with ({digest}, planned {', '.join(others)}): "
            "it was edited since. Run the same snakemake command again to plan with the new source."
        )
    return digest


def _modules(stage: str, settings: Settings) -> tuple[str, tuple[str, ...]]:
    """The module of a stage, and the plug-ins that its settings name."""
    return f"{source.PACKAGE}.stages.{stage}", tuple(map(plugins.module_of, sorted(settings.plugins())))
