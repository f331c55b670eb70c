"""One run at a time in a results folder; the leftovers of a killed run are reported and removed.

The workflow's main process calls `begin` before Snakemake looks at its own locks, which name no process and outlive
their owner.
"""

import atexit
import os
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.scheduler import slurm
from prefdelta.system.instance import INSTANCE, is_alive
from prefdelta.system.log import say
from prefdelta.workflow import leftovers, orphans, run_file
from prefdelta.workflow.run_file import FILE, UNKNOWN, LockedRunFile, WorkflowRun


def begin(results: Path) -> None:
    """Make this process the only run in `results`, until it ends. Leftovers of a killed run are ended and removed.

    Raises StudyError if the folder cannot be written, or if a run is going on in it.
    """
    file = _locked(results)
    earlier = WorkflowRun.parse(file.read())
    killed = earlier is not None and earlier.ended is None
    if earlier is not None and killed:
        if not earlier.is_here:
            raise StudyError(
                f"{results}: a run on another machine has not ended: {earlier}. This machine cannot see whether it is "
                f"alive. If it is not: rm {results / FILE}, and run the same command again."
            )
        say(f"{results}: an earlier run was killed: {earlier}. What it finished is kept; this run goes on.")
        # First the processes, then the queue: a process may still be submitting a job.
        orphans.wait_for_processes(earlier.id)
    orphans.cancel_jobs(results, killed)
    leftovers.remove(results)
    run = WorkflowRun.of_this_process()
    file.write(run.text())
    os.environ[run_file.VARIABLE] = run.id
    os.environ.update(slurm.environment(results, run.id))

    def end() -> None:
        if os.getpid() == run.pid:  # not a fork of the run's process
            file.write(run.ended_now().text())

    atexit.register(end)


def main_process(results: Path) -> int | None:
    """The process id of the run that goes on in `results` on this machine, or None.

    Raises StudyError if the run was started on another machine and has not ended, as far as can be seen from here; if a
    command that is not a run works in the results; and if the run file does not name the run's process yet.
    """
    current = run_file.current(results)
    last = current or run_file.read(results)
    # First of all: a network file system shows a lock to all its machines, and process ids mean nothing on others.
    if last and last != UNKNOWN and last.ended is None and not last.is_here:
        raise StudyError(
            f"{results}: the run was started on another machine: {last}. Run this there; its jobs would be asked for "
            f"again from there. If it is no longer alive: rm {results / FILE}, and run this again."
        )
    if current is None:
        return None
    if current.before is not None:
        raise StudyError(
            f"{results}: no run goes on here, but another command is at work: {current}. Nothing was changed. Wait for "
            f"it, or end it by Ctrl-C, or kill -INT {current.pid}: it then leaves the run file as it was."
        )
    if current == UNKNOWN or current.ended is not None or not is_alive(current.pid):
        raise StudyError(
            f"{results}: a run begins or ends here at this moment, and {results / FILE} does not name its process. "
            "Nothing was changed. Run this again in a while."
        )
    return current.pid


def _locked(results: Path) -> LockedRunFile:
    """The run file. It stays open, and locked, as long as this process lives."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        probe = results / f".{INSTANCE}.probe"
        probe.write_bytes(b"")
        probe.unlink()
        return LockedRunFile(results)
    except BlockingIOError:
        raise StudyError(
            f"{results}: a run is going on here: {run_file.read(results) or UNKNOWN}. Two would do the same work "
            "twice. Wait for it, or stop it (Ctrl-C, or kill <pid>): what it has done so far is kept."
        ) from None
    except OSError as error:
        raise StudyError(f"{results}: cannot be written ({error}); nothing was started.") from None
