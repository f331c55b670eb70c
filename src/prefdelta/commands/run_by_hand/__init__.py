"""The command that runs one job without Snakemake, as it can be pasted into a shell in the repository's root.

The job is named as in its log and in the lines of a run, e.g. judge/g4/logic, or by the path of its log, manifest or
output. The command makes the job's outputs anew from the inputs that are there, with the record of the study, and says
on the terminal what the log would say. Snakemake looks at the new outputs at the next run.
"""

import argparse
import subprocess
from pathlib import Path

from prefdelta.commands.output import print_line
from prefdelta.commands.run_by_hand.job_command import commands_by_hand, find_job
from prefdelta.commands.snakemake_command import profile_options
from prefdelta.commands.study_options import add_configfile, open_study
from prefdelta.system.log import say
from prefdelta.workflow import run_file

_NAMED = 3  # jobs, by name


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="a name as in logs, e.g. judge/g4/logic, or the path of an output")
    parser.add_argument("--run", action="store_true", help="run it, and exit as it does")
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    study = open_study(arguments.configfile)
    job = find_job(study, arguments.job)
    command = commands_by_hand(profile_options(arguments.configfile), [job.manifest])[job.manifest]
    if command.first:
        shown = f"{', '.join(command.first[:_NAMED])}{' and others' if len(command.first) > _NAMED else ''}"
        say(f"note: what it stands on is missing or stale: {shown}.")
    if current := run_file.current(Path(study.results)):
        say(f"note: a run is going on ({current}): if it does this job too, the one that began first stops.")
    if not arguments.run:
        print_line(command.text)
        return 0
    return subprocess.run(["/bin/sh", "-c", f"exec env {command.text}"], check=False).returncode
