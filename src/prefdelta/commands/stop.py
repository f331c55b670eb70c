"""End the run that goes on in a study's results, and take its jobs out of SLURM's queue.

Also the jobs of a run that was killed and could not do that itself; and nobody else's: a job of ours carries the tag of
its results folder. All that jobs have done so far is kept, and the same snakemake command goes on from there.
"""

import argparse
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from prefdelta.commands import shared
from prefdelta.commands.overview.last_run import command_to_go_on, last_run
from prefdelta.core.errors import StudyError
from prefdelta.scheduler import slurm
from prefdelta.workflow import runs

PATIENCE = {signal.SIGINT: 30.0, signal.SIGTERM: 10.0, signal.SIGKILL: 10.0}  # seconds until the next, stronger one
JOBS_SECONDS = 120.0  # for SLURM to end what was cancelled


def define(parser: argparse.ArgumentParser) -> None:
    shared.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    study = shared.open_study(arguments.configfile)
    results = Path(study.results)
    main = runs.main_process(results)
    last = last_run(results)
    orphans = list(runs.started_by(last.id)) if last and main is None else []
    jobs = slurm.unfinished(results) if slurm.was_used(results) else []
    if main is None and not orphans and not jobs:
        shared.tell(f"{results}: no run goes on here, and SLURM has no job of one")
        return
    if main is not None:
        shared.tell(f"{results}: the run of process {main} is to end")
    for pid in orphans:
        shared.tell(f"  process {pid}, which a run left that is dead")
    for job in jobs:
        shared.tell(f"  job {job.id}, {job.state.lower()} for {job.elapsed}: {job.about}")
    if arguments.dry_run:
        shared.tell("dry run: nothing was changed")
        return
    if main is not None:
        _end(main, results)
    _cancel(results)
    if last:
        runs.wait_for_orphans(last.id)  # one of them may be asking SLURM for a job, for minutes if it does not answer
    _cancel(results)
    if slurm.was_used(results) and (left := slurm.left_after(results, JOBS_SECONDS)):
        raise StudyError(
            f"SLURM has not yet ended the jobs {' '.join(job.id for job in left)}. Run this again in a while."
        )
    shared.tell(f"stopped; what was done is kept. To go on: {command_to_go_on(last, arguments.configfile)}")


def _end(main: int, results: Path) -> None:
    """End a run's main process: as Ctrl-C does, and if it does not listen to that (nohup), by stronger means."""
    for number, seconds in PATIENCE.items():
        with suppress(ProcessLookupError):
            os.kill(main, number)
        if number != signal.SIGINT:
            _cancel(results)  # it may wait for them, and will not ask for others
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if runs.running(results) is None:
                return
            time.sleep(0.2)
    raise StudyError(f"{results}: process {main} does not end. Look at it with ps, and run this again when it is gone.")


def _cancel(results: Path) -> None:
    if slurm.was_used(results):
        slurm.cancel(slurm.unfinished(results))
