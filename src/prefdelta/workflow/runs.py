"""One run at a time in a results folder; what a killed one left behind is explained and healed.

The workflow's main process calls `begin` before Snakemake looks at its own locks, which name no process and outlive the
one that took them. Ours is a lock of the operating system on `results/<study>/run.json`: it ends with its process.
"""

import atexit
import fcntl
import json
import os
import re
import shutil
import signal
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from socket import gethostname
from typing import Any, TextIO

from prefdelta.core.errors import StudyError
from prefdelta.scheduler import slurm
from prefdelta.system.files import INSTANCE, say
from prefdelta.system.processes import is_alive

FILE = "run.json"
VARIABLE = "PREFDELTA_RUN"  # in the environment of all that a run starts
ORPHANS_SECONDS = 10.0  # for the jobs of a killed run to end; they are told by the kernel, and flush
SLURM_SECONDS = 300.0  # for SLURM to end cancelled jobs: they get SIGTERM, and its KillWait later SIGKILL
SNAKEMAKE = Path(".snakemake")
# Snakemake's options with which it looks, or tidies, and runs no job.
_LOOKING = (
    "dryrun", "lint", "list_rules", "list_target_rules", "print_compilation", "dag", "rulegraph", "filegraph", "d3dag",
    "summary", "detailed_summary", "list_changes", "list_input_changes", "list_params_changes", "list_untracked",
    "report", "unlock", "cleanup_metadata", "containerize", "archive", "generate_unit_tests", "conda_create_envs_only",
    "list_conda_envs", "conda_cleanup_envs",
)  # fmt: skip


def runs_jobs(arguments: Sequence[str]) -> bool:
    """Whether Snakemake, started with these arguments, is to run jobs and not merely to look."""
    from snakemake.cli import get_argument_parser

    parsed, _ = get_argument_parser().parse_known_args(list(arguments))
    return not any(getattr(parsed, name, None) for name in _LOOKING)


def begin(results: Path) -> None:
    """Make this process the one run in `results`, until it ends. Heals what a killed run left.

    Raises StudyError if the folder cannot be written, or if a run is going on in it.
    """
    file = _locked(results)
    earlier = _content(file)
    killed = bool(earlier) and earlier.get("ended") is None
    if killed:
        if earlier["host"] != gethostname():
            raise StudyError(
                f"{results}: a run on another machine has not ended: {_told(earlier)}. This machine cannot see whether "
                f"it is alive. If it is not: rm {results / FILE}, and run the same command again."
            )
        say(f"{results}: an earlier run was killed: {_told(earlier)}. What it finished is kept; this run goes on.")
        wait_for_orphans(earlier["id"])  # before the queue is looked at: one of them may be asking SLURM for a job
    _cancel_orphans(results, killed)
    _heal(results)
    about = about_this_process()
    _write(file, about)
    os.environ[VARIABLE] = INSTANCE
    os.environ.update(slurm.environment(results, INSTANCE))

    def end() -> None:
        if os.getpid() == about["pid"]:
            _write(file, {**about, "ended": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())})

    atexit.register(end)


def about_this_process() -> dict[str, Any]:
    """What the run file says of the process that holds its lock."""
    return {
        "id": INSTANCE,
        "host": gethostname(),
        "pid": os.getpid(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "command": " ".join(sys.argv),
        "ended": None,
    }


def running(results: Path) -> str | None:
    """What a person is told about the run that goes on in `results` on this machine, or None if there is none."""
    about = _about_running(results)
    return None if about is None else _told(about)


def main_process(results: Path) -> int | None:
    """The process id of the run that goes on in `results` on this machine, or None if there is none.

    Raises StudyError if one was started on another machine and has not ended, as far as can be seen from here; if the
    results are taken by a command that is no run; and if it cannot be told yet which process it is.
    """
    running = _about_running(results)
    about = _about(results) if running is None else running
    # First of all: a network file system shows a lock to all its machines, and process ids mean nothing on others.
    if about and about.get("ended") is None and about["host"] != gethostname():
        raise StudyError(
            f"{results}: the run was started on another machine: {_told(about)}. Run this there; its jobs would be "
            f"asked for again from there. If it is no longer alive: rm {results / FILE}, and run this again."
        )
    if running is None:
        return None
    if "before" in running:
        raise StudyError(
            f"{results}: no run goes on here, but another command is at work: {_told(running)}. Nothing was changed. "
            f"Wait for it, or end it by Ctrl-C, or kill -INT {running['pid']}: it then leaves the run file as it was."
        )
    if not running or running.get("ended") is not None or not is_alive(running["pid"]):
        raise StudyError(
            f"{results}: a run begins or ends here at this moment, and {results / FILE} does not name its process. "
            "Nothing was changed. Run this again in a while."
        )
    return int(running["pid"])


def _about_running(results: Path) -> dict[str, Any] | None:
    """What the run file says of the run that goes on here, or None if there is none."""
    try:
        with (results / FILE).open("r", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _content(file)
            except OSError:  # some network file systems have no locks
                about = _content(file)
                return about if _goes_on(about) else None
    except FileNotFoundError:
        pass
    return None


def _goes_on(about: dict[str, Any]) -> bool:
    """Whether a process of this machine has not ended, by what the run file says of it."""
    here = bool(about) and about.get("ended") is None and about["host"] == gethostname()
    return here and is_process(about["pid"], about["command"])


def is_process(pid: int, command: str) -> bool:
    """Whether a process of this id is alive and has these arguments: ids are given again to others."""
    if not is_alive(pid):
        return False
    try:
        words = Path("/proc", str(pid), "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return False
    return " ".join(words).strip().endswith(command.partition(" ")[2].strip())


def _about(results: Path) -> dict[str, Any]:
    """What the run file says; nothing if there is none."""
    try:
        with (results / FILE).open("r", encoding="utf-8") as file:
            return _content(file)
    except FileNotFoundError:
        return {}


def _locked(results: Path) -> TextIO:
    """The run file, open and locked. It stays open as long as the process lives, and the lock with it."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        probe = results / f".{INSTANCE}.probe"
        probe.write_bytes(b"")
        probe.unlink()
        file = (results / FILE).open("a+", encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{results}: cannot be written ({error}); nothing was started.") from None
    try:
        _lock(file)
    except BlockingIOError:
        told = _told(_content(file))
        raise StudyError(
            f"{results}: a run is going on here: {told}. Two would do the same work twice. Wait for it, or stop it "
            "(Ctrl-C, or kill <pid>): what it has done so far is kept."
        ) from None
    except OSError as error:  # some network file systems have no locks
        say(f"warning: {file.name} cannot be locked ({error}): see to it yourself that one run at a time works here.")
    return file


def _lock(file: TextIO) -> None:
    """Raises BlockingIOError if another process holds the lock, and not only for the moment that a look takes."""
    for _ in range(5):
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.1)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _content(file: TextIO) -> dict[str, Any]:
    """What the run file says; nothing if it is new, or was cut in the middle by a kill."""
    file.seek(0)
    try:
        return dict(json.loads(file.read()))
    except ValueError:
        return {}


def _write(file: TextIO, about: dict[str, Any]) -> None:
    # In place: a renamed file would be another one, without the lock.
    file.seek(0)
    file.truncate()
    file.write(json.dumps(about, indent=2) + "\n")
    file.flush()


def _told(about: dict[str, Any]) -> str:
    return ", ".join(f"{name} {about[name]}" for name in ("host", "pid", "started", "command") if name in about)


def _cancel_orphans(results: Path, killed: bool) -> None:
    """Take an earlier run's jobs out of SLURM's queue: nobody waits for them, and new ones do the rest of their work.

    killed: it could not do so itself. If it ended properly, jobs are left only if SLURM did not answer it then.

    Raises StudyError if SLURM does not end them, and if a killed run's cannot be asked for.
    """
    if not slurm.was_used(results) or not (killed or slurm.is_here()):
        return
    if not slurm.is_here():
        raise StudyError(
            f"{results}: jobs of an earlier run may still be in SLURM's queue, and this machine cannot ask it. Run the "
            "same command where SLURM's commands are."
        )
    try:
        orphans = slurm.unfinished(results)
    except StudyError as error:
        if killed:
            raise
        say(f"warning: whether an earlier run left jobs in SLURM's queue is not known: {error}")
        return
    if orphans:
        ids = ", ".join(job.id for job in orphans)
        say(f"jobs of an earlier run are in SLURM's queue ({ids}): they are cancelled; what they did is kept.")
        slurm.cancel(orphans)
    if orphans and (left := slurm.left_after(results, SLURM_SECONDS)):
        ids = " ".join(job.id for job in left)
        raise StudyError(f"{results}: SLURM has not ended jobs of an earlier run: {ids}. Try again later.")


def wait_for_orphans(run: str) -> None:
    """Wait until nothing that a killed run started is alive; what then still is, is killed."""
    ends = time.monotonic() + ORPHANS_SECONDS
    while orphans := list(started_by(run)):
        if time.monotonic() > ends:
            say(f"its processes {orphans} do not end by themselves: they are killed now.")
            for pid in orphans:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def started_by(run: str) -> Iterator[int]:
    """Process ids of what a run started (Linux; none are found elsewhere)."""
    mark = f"{VARIABLE}={run}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)


def _heal(results: Path) -> None:
    """Take away what dead processes left: Snakemake's locks, temporary files, staged outputs.

    Whether a process of another machine is dead can be known only if SLURM gave it its work.
    """
    inside = f"{results}/"
    for lock in sorted((SNAKEMAKE / "locks").glob("*.lock")):
        if any(line.startswith(inside) for line in lock.read_text(encoding="utf-8").splitlines()):
            say(f"{lock}: left by a run that is dead: removed.")
            lock.unlink()
    incomplete = [path for path in (SNAKEMAKE / "incomplete").glob("*") if _marked(path).startswith(inside)]
    if incomplete:
        say(f"{len(incomplete)} outputs were being made when it ended; their jobs run again and take up the record.")
    nodes_are_done = bool(slurm.submitted(results)) and slurm.is_here() and not slurm.unfinished(results)
    for left in (*results.rglob(".*.tmp"), *results.rglob(".*.staged")):
        owner = re.search(r"-(\d+)-[0-9a-f]{8}\.\w+$", left.name)
        ours = owner and f".{gethostname()}{owner[0]}" in left.name
        if owner and (not is_alive(int(owner[1])) if ours else nodes_are_done):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


def _marked(marker: Path) -> str:
    """The output that one of Snakemake's markers is about: its name is that path in base64."""
    try:
        return urlsafe_b64decode(marker.name).decode("utf-8")
    except ValueError:  # a long path is spread over several folders
        return ""
