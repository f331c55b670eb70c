"""End the run that goes on in a study's results, and take its jobs out of SLURM's queue.

Also the jobs of a run that was killed and could not do that itself; and nobody else's: a job of ours carries the tag of
its results folder. All that jobs have done so far is kept, and the same snakemake command goes on from there.
"""

import argparse
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from prefdelta import runs, slurm
from prefdelta.commands import shared
from prefdelta.core.errors import StudyError

PATIENCE = {signal.SIGINT: 30.0, signal.SIGTERM: 10.0, signal.SIGKILL: 10.0}  # seconds until the next, stronger one
JOBS_SECONDS = 120.0  # for SLURM to end what was cancelled


def define(parser: argparse.ArgumentParser) -> None:
    shared.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    study = shared.open_study(arguments.configfile)
    results = Path(study.results)
    main = runs.main_process(results)
    jobs = slurm.unfinished(results) if slurm.submitted(results) else []
    if main is None and not jobs:
        shared.tell(f"{results}: no run goes on here, and SLURM has no job of one")
        return
    if main is not None:
        shared.tell(f"{results}: the run of process {main} is to end")
    for job in jobs:
        shared.tell(f"  job {job.id}, {job.state.lower()} for {job.elapsed}: {job.about}")
    if arguments.dry_run:
        shared.tell("dry run: nothing was changed")
        return
    if main is not None:
        _end(main, results)
    _cancel(results)
    shared.tell(f"stopped; what was done is kept. To go on: {shared.snakemake_command(arguments.configfile)}")


def _end(main: int, results: Path) -> None:
    """End a run's main process: as Ctrl-C does, and if it does not listen to that (nohup), by stronger means."""
    for number, seconds in PATIENCE.items():
        with suppress(ProcessLookupError):
            os.kill(main, number)
        if number != signal.SIGINT and slurm.submitted(results):
            slurm.cancel(slurm.unfinished(results))  # it may wait for them, and will not ask for others
        if _becomes_true(lambda: runs.main_process(results) is None, seconds):
            return
    raise StudyError(f"{results}: process {main} does not end. Nothing else was changed; look at it with ps.")


def _cancel(results: Path) -> None:
    if not slurm.submitted(results):
        return
    slurm.cancel(slurm.unfinished(results))
    if not _becomes_true(lambda: not slurm.unfinished(results), JOBS_SECONDS):
        left = " ".join(job.id for job in slurm.unfinished(results))
        raise StudyError(f"SLURM has not yet ended the jobs {left}. Run this again in a while.")


def _becomes_true(condition: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if condition():
            return True
        time.sleep(0.5)
    return condition()
