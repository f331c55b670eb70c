"""The command that runs one job without Snakemake, as it can be pasted into a shell in the repository's root.

The job is named as in its log and in the lines of a run, e.g. judge/g4/logic, or by the path of its log, manifest or
output. The command makes the job's outputs anew from the inputs that are there, with the record of the study, and says
on the terminal what the log would say. Snakemake looks at the new outputs at the next run.
"""

import argparse
import difflib
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.output import print_line
from prefdelta.commands.planning.dry_run import planned_jobs, words_of
from prefdelta.commands.snakemake_command import profile_options
from prefdelta.commands.study_options import add_configfile, open_study
from prefdelta.core import layout
from prefdelta.core.errors import StudyError
from prefdelta.study.job import ArmBatch, StudyJob
from prefdelta.study.study import Study
from prefdelta.system.log import say
from prefdelta.workflow import run_file
from prefdelta.workflow.command_line import by_hand

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # Snakemake sets them for a job
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class HandCommand:
    """A job's command, and the jobs that have to run before it because what they make is stale or missing."""

    text: str  # for a shell
    first: list[str]  # names of jobs


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="a name as in logs, e.g. judge/g4/logic, or the path of an output")
    parser.add_argument("--run", action="store_true", help="run it, and exit as it does")
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    job = find_job(study, arguments.job)
    command = commands_by_hand(profile_options(arguments.configfile), [job.manifest])[job.manifest]
    if command.first:
        shown = f"{', '.join(command.first[:_NEAREST])}{' and others' if len(command.first) > _NEAREST else ''}"
        say(f"note: what it stands on is missing or stale: {shown}.")
    if current := run_file.current(Path(study.results)):
        say(f"note: a run is going on ({current}): if it does this job too, the one that began first stops.")
    if not arguments.run:
        print_line(command.text)
        return
    sys.exit(subprocess.run(["/bin/sh", "-c", f"exec env {command.text}"], check=False).returncode)


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
