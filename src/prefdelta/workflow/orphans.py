"""Processes of this machine, and jobs in SLURM's queue, that a killed run leaves running."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.scheduler import slurm
from prefdelta.system.log import say
from prefdelta.workflow.run_file import VARIABLE

PROCESS_SECONDS = 10.0  # for its processes to end: the kernel has sent them a signal, and they save their work
SLURM_SECONDS = 300.0  # for SLURM to end cancelled jobs: they get SIGTERM, and its KillWait later SIGKILL


def processes_of(run: str) -> Iterator[int]:
    """Ids of the processes that the run with this id started (Linux; none elsewhere)."""
    mark = f"{VARIABLE}={run}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)


def wait_for_processes(run: str) -> None:
    """Wait until no process that a killed run started is alive; kill those that do not end by themselves."""
    ends = time.monotonic() + PROCESS_SECONDS
    while pids := list(processes_of(run)):
        if time.monotonic() > ends:
            say(f"its processes {pids} do not end by themselves: they are killed now.")
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def cancel_jobs(results: Path, killed: bool) -> None:
    """Take an earlier run's jobs out of SLURM's queue: nothing waits for them, and new jobs do the rest of their work.

    killed: the run could not do so itself. If it ended properly, jobs are left only if SLURM did not answer it then.

    Raises StudyError if SLURM does not end them, and if it cannot be asked about those of a killed run.
    """
    if not slurm.was_used(results) or not (killed or slurm.is_here()):
        return
    if not slurm.is_here():
        raise StudyError(
            f"{results}: jobs of an earlier run may still be in SLURM's queue, and this machine cannot ask it. Run the "
            "same command where SLURM's commands are."
        )
    try:
        jobs = slurm.unfinished(results)
    except StudyError as error:
        if killed:
            raise
        say(f"warning: whether an earlier run left jobs in SLURM's queue is not known: {error}")
        return
    if not jobs:
        return
    ids = ", ".join(job.id for job in jobs)
    say(f"jobs of an earlier run are in SLURM's queue ({ids}): they are cancelled; what they did is kept.")
    slurm.cancel(jobs)
    if left := slurm.left_after(results, SLURM_SECONDS):
        ids = " ".join(job.id for job in left)
        raise StudyError(f"{results}: SLURM has not ended jobs of an earlier run: {ids}. Try again later.")
