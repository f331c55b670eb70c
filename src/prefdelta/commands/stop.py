"""End the run that goes on in a study's results, and take its jobs out of SLURM's queue.

It also cancels the jobs of a killed run, which could not do that itself; and no other jobs: a study's jobs carry the
tag of its results folder. All work so far is kept, and the same snakemake command goes on from there.
"""

import argparse
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from prefdelta.commands.output import print_line
from prefdelta.commands.overview.last_run import command_to_go_on, last_run
from prefdelta.commands.study_options import add_options, open_study
from prefdelta.core.errors import StudyError
from prefdelta.scheduler import slurm
from prefdelta.workflow import orphans, run_file, runs

PATIENCE = {signal.SIGINT: 30.0, signal.SIGTERM: 10.0, signal.SIGKILL: 10.0}  # seconds until the next, stronger one
JOBS_SECONDS = 120.0  # for SLURM to end the cancelled jobs


def define(parser: argparse.ArgumentParser) -> None:
    add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    results = Path(study.results)
    main = runs.main_process(results)
    last = last_run(results)
    left_at_work = list(orphans.processes_of(last.id)) if last and main is None else []
    jobs = slurm.unfinished(results) if slurm.was_used(results) else []
    if main is None and not left_at_work and not jobs:
        print_line(f"{results}: no run goes on here, and SLURM has no job of one")
        return
    if main is not None:
        print_line(f"{results}: the run of process {main} is to end")
    for pid in left_at_work:
        print_line(f"  process {pid}, which a run left that is dead")
    for job in jobs:
        print_line(f"  job {job.id}, {job.state.lower()} for {job.elapsed}: {job.about}")
    if arguments.dry_run:
        print_line("dry run: nothing was changed")
        return
    if main is not None:
        _end(main, results)
    _cancel(results)
    if last:  # a process of the run may be submitting a job, for minutes if SLURM does not answer
        orphans.wait_for_processes(last.id)
    _cancel(results)
    if slurm.was_used(results) and (left := slurm.left_after(results, JOBS_SECONDS)):
        raise StudyError(
            f"SLURM has not yet ended the jobs {' '.join(job.id for job in left)}. Run this again in a while."
        )
    print_line(f"stopped; what was done is kept. To go on: {command_to_go_on(last, arguments.configfile)}")


def _end(main: int, results: Path) -> None:
    """End a run's main process: as Ctrl-C does, and if it ignores that (nohup), by stronger signals."""
    for number, seconds in PATIENCE.items():
        with suppress(ProcessLookupError):
            os.kill(main, number)
        if number != signal.SIGINT:
            _cancel(results)  # it may wait for these jobs, and will not submit others
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if run_file.current(results) is None:
                return
            time.sleep(0.2)
    raise StudyError(f"{results}: process {main} does not end. Look at it with ps, and run this again when it is gone.")


def _cancel(results: Path) -> None:
    if slurm.was_used(results):
        slurm.cancel(slurm.unfinished(results))
