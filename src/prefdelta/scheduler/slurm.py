"""SLURM: which jobs of a study are in its queue, and cancelling them.

A run's jobs carry its tag in their comment, and `workflow/bin/sbatch` writes a line about each accepted job. So a
study's jobs, and no others, are found again, even if the run that submitted them was killed.
"""

import getpass
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest

TAG = "PREFDELTA_TAG"  # in the environment: text that workflow/bin/sbatch adds to the comment of a job
SUBMITTED = "PREFDELTA_SUBMITTED"  # in the environment: the file to which sbatch adds a line for each job
FILE = Path("slurm/submitted.jsonl")  # in results/<study>/
SECONDS = 60.0  # for SLURM to answer
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0  # seconds between two queries of the queue, which other users query, too
ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT",
)  # fmt: skip
_FORMAT = "%i|%T|%M|%l|%N|%r|%k"  # the comment is last: it may hold anything


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """A job of a study that SLURM knows."""

    id: str
    state: str  # PENDING, RUNNING, ..., as squeue says it
    elapsed: str  # as squeue says it: [days-]hours:minutes:seconds
    limit: str
    nodes: str
    reason: str  # why the job waits
    run: str  # the id of the run that submitted it
    about: str  # rule and wildcards, as Snakemake's executor writes them

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that SLURM accepted."""

    id: str
    run: str
    target: str  # rule:wildcard=value,..., as Snakemake names it
    log: str  # SLURM's own log of the job; %j is filled in
    at: float  # seconds since the epoch


def environment(results: Path, run: str) -> dict[str, str]:
    """The environment variables that tell `workflow/bin/sbatch` about a run."""
    return {TAG: f"{_tag(results)}:{run}", SUBMITTED: str((results / FILE).resolve())}


def was_used(results: Path) -> bool:
    """Whether a job was ever submitted for `results`, accepted or not."""
    return (results / FILE).is_file()


def is_here() -> bool:
    """Whether this machine has SLURM's commands."""
    return shutil.which("squeue") is not None


def jobs(results: Path) -> list[SlurmJob]:
    """The jobs of all runs in `results` that SLURM knows, also those that ended a short time ago.

    Raises StudyError if SLURM does not answer.
    """
    lines = _answer(["squeue", "--noheader", "--states=all", f"--user={getpass.getuser()}", f"--format={_FORMAT}"])
    known = []
    for line in lines.splitlines():
        job, state, elapsed, limit, nodes, reason, comment = line.split("|", 6)
        about, tagged, rest = comment.rpartition(f" {_tag(results)}:")
        if tagged:
            run = rest.partition(":")[0].strip()
            known.append(SlurmJob(job, state, elapsed, limit, nodes, reason, run, about.strip()))
    return known


def unfinished(results: Path) -> list[SlurmJob]:
    """The jobs of `jobs` that wait or run."""
    return [job for job in jobs(results) if not job.has_ended]


def state(job: str) -> str | None:
    """The state of the job with this id, as squeue gives it (RUNNING, ...); None if SLURM no longer knows it.

    Raises StudyError if SLURM does not answer.
    """
    try:
        return _answer(["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T"]).strip() or None
    except StudyError as error:
        if "invalid job id" in str(error).lower():
            return None
        raise


def cancel(doomed: Iterable[SlurmJob]) -> None:
    """Have SLURM end jobs: they get SIGTERM, and time to save their work. Raises StudyError if it refuses."""
    if ids := [job.id for job in doomed]:
        _answer(["scancel", *ids])


def left_after(results: Path, seconds: float) -> list[SlurmJob]:
    """The jobs that have not ended after at most so many seconds. SLURM is asked in longer and longer pauses.

    Raises StudyError if it does not answer.
    """
    ends, pause = time.monotonic() + seconds, FIRST_PAUSE
    while (left := unfinished(results)) and time.monotonic() < ends:
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return left


def submitted(results: Path) -> list[Submitted]:
    """All jobs that were ever accepted for `results`, in order. A line that a kill has cut is left out."""
    path = results / FILE
    accepted = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            accepted.append(Submitted(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return accepted


def _tag(results: Path) -> str:
    return f"prefdelta:{digest(str(results.resolve()))[:10]}"


def _answer(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=os.environ)
    except FileNotFoundError:
        raise StudyError(f"this machine has no {command[0]}: run this where SLURM's commands are.") from None
    except subprocess.TimeoutExpired:
        raise StudyError(f"SLURM did not answer `{command[0]}` within {SECONDS:g} s. Try again later.") from None
    if done.returncode != 0:
        raise StudyError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout
