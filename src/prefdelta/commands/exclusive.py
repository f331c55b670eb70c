"""Exclusive use of a study's results: no run and no other command works in them meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.scheduler import slurm
from prefdelta.store.ownership import owners
from prefdelta.workflow import run_file
from prefdelta.workflow.run_file import FILE, UNKNOWN, LockedRunFile, WorkflowRun


@contextmanager
def exclusive_use(results: Path, dry_run: bool) -> Iterator[None]:
    """Within the context no run starts in `results`. dry_run: only check whether one goes on.

    Raises StudyError if a run, a job that was started by hand, or a job of SLURM's is at work.
    """
    if not results.is_dir():
        raise StudyError(f"{results}: there is no such folder: the study has not been run here.")
    _refuse(run_file.current(results))
    _check_other_work(results)
    if dry_run:
        yield
        return
    try:
        file = LockedRunFile(results)
    except BlockingIOError:
        _refuse(run_file.current(results) or UNKNOWN)
        raise
    text = file.read()
    last = WorkflowRun.parse(text)
    before = text if last is None or last.before is None else last.before  # what a killed command was to restore
    file.write(WorkflowRun.of_this_process(before).text())
    try:
        yield
    finally:
        file.write(before)
        file.close()


def _refuse(run: WorkflowRun | None) -> None:
    if run is not None:
        raise StudyError(
            f"a run is going on in these results: {run}. Nothing was changed. Wait for it, or stop it (what it has "
            "done so far is kept), and run this again."
        )


def _check_other_work(results: Path) -> None:
    last = run_file.read(results)
    if last and last.ended is None and not last.is_here:
        raise StudyError(
            f"{results}: a run on another machine ({last.host}, pid {last.pid}) has not ended, and this machine cannot "
            f"see whether it is alive. If it is not: rm {results / FILE}, and run this again."
        )
    for owner in owners(results / "record"):
        if owner.instance and owner.is_alive:
            raise StudyError(
                f"{results}: a job is still at work here: process {owner.instance.pid}. Nothing was changed. Wait for "
                "it, or stop it, and run this again."
            )
    # A run that was killed leaves its jobs on the cluster: they go on to read and write.
    if slurm.was_used(results) and slurm.is_here() and (jobs := slurm.unfinished(results)):
        ids = ", ".join(f"{job.id} ({job.state.lower()})" for job in jobs)
        raise StudyError(
            f"{results}: SLURM still has jobs of these results: {ids}. Nothing was changed. Wait for them, or take "
            "them out with `prefdelta stop`, and run this again."
        )
