"""The shell command of a job, from Snakemake's own dry run, and the job that a name or path means."""

import difflib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prefdelta.commands.planning.dry_run import planned_jobs, words_of
from prefdelta.core import layout
from prefdelta.core.errors import StudyError
from prefdelta.study.job import ArmBatch, StudyJob
from prefdelta.study.study import Study
from prefdelta.workflow.command_line import by_hand

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # Snakemake sets them for a job
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class HandCommand:
    """A job's command, and the jobs that have to run before it because what they make is stale or missing."""

    text: str  # for a shell
    first: list[str]  # names of jobs


def find_job(study: Study, name: str) -> StudyJob | ArmBatch:
    """The job of a name, or of the path of its log, manifest or one of its outputs.

    Raises StudyError if the study has no such job.
    """
    title, path = study.config.study, os.path.relpath(name)
    below = path if path.startswith(f"{study.results}/") else f"{study.results}/{name}"
    wanted = layout.name_below(below.removesuffix(layout.EVENTS), title)
    by_name: dict[str, StudyJob | ArmBatch] = {}
    for job in study.all_jobs:
        by_name |= dict.fromkeys([job.name, *(layout.name_below(output, title) for output in job.outputs)], job)
    if wanted in by_name:
        return by_name[wanted]
    near = difflib.get_close_matches(wanted, by_name, _NEAREST) or list(by_name)[:_NEAREST]
    raise StudyError(
        f"{name}: study {title} has no job of this name. Names are those of logs in {study.results}/logs, for example "
        f"{', '.join(near)}."
    )


def commands_by_hand(options: Sequence[str], targets: Sequence[str]) -> Mapping[str, HandCommand]:
    """Manifest of a job -> its command, by Snakemake's own dry run. Raises StudyError if it cannot plan.

    options: those that give Snakemake the study.
    """
    # The targets come first: an option of the profile's takes any number of words.
    planned = {str(job.manifest): job for job in planned_jobs([*targets, "--force", *options])}
    others = [job.name for manifest, job in planned.items() if manifest not in targets]
    found = {}
    for target in targets:
        job = planned[target]
        _, _, _, module, *words = words_of(job.command)  # exec python -m
        hand = by_hand(module, words[: words.index("2>")])
        found[target] = HandCommand(shlex.join(f"{name}={job.threads}" for name in _THREADS) + f" {hand}", others)
    return found
