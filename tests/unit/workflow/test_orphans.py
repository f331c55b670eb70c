"""Jobs that an earlier run left in SLURM's queue, when the next one begins."""

import json
import os
import subprocess
import sys
from pathlib import Path
from socket import gethostname

import pytest

from prefdelta.scheduler import slurm

ENDED = {"id": "x-1-0123abcd", "host": gethostname(), "pid": 1, "ended": "2026-11-24 08:00:00 UTC"}
KILLED = ENDED | {"ended": None}
BEFORE = {"no file": None, "ended": ENDED, "killed": KILLED}


class Queue:
    """A results folder of which SLURM has a job, until somebody cancels it."""

    def __init__(self, folder: Path) -> None:
        self.results, self._bin = folder / "results/mini", folder / "bin"
        (self.results / "slurm").mkdir(parents=True)
        (self.results / "slurm/submitted.jsonl").touch()  # sbatch was killed before it wrote the job down
        self._bin.mkdir()
        tag = slurm.environment(self.results, "x-1-0123abcd")[slurm.TAG]
        job = f"7|RUNNING|1:02|10:00|n1|None|rule_judge {tag}:89abcdef"
        self.does("squeue", f'[ -f {folder}/cancelled ] || echo "{job}"')
        self.does("scancel", f'echo "$@" > {folder}/cancelled')
        self.cancelled = folder / "cancelled"

    def does(self, name: str, script: str) -> None:
        (self._bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self._bin / name).chmod(0o755)

    def begin(self, before: dict[str, object] | None) -> subprocess.CompletedProcess[str]:
        if before is not None:
            (self.results / "run.json").write_text(json.dumps(before))
        code = (
            "import sys; from pathlib import Path; from prefdelta.workflow import runs; runs.begin(Path(sys.argv[1]))"
        )
        return subprocess.run(
            [sys.executable, "-c", code, str(self.results)],
            env=os.environ | {"PATH": os.pathsep.join([str(self._bin), os.environ["PATH"]])},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path)


@pytest.mark.parametrize("before", BEFORE)
def test_they_are_cancelled_however_the_run_ended(queue: Queue, before: str) -> None:
    done = queue.begin(BEFORE[before])
    assert done.returncode == 0, done.stderr
    assert "jobs of an earlier run are in SLURM's queue (7): they are cancelled" in done.stderr
    assert queue.cancelled.read_text() == "7\n"


def test_a_slurm_that_does_not_answer_stops_only_what_follows_a_killed_run(queue: Queue) -> None:
    queue.does("squeue", "echo it is away >&2; exit 1")
    done = queue.begin(ENDED)
    assert (done.returncode, "warning: whether an earlier run left jobs" in done.stderr) == (0, True)
    done = queue.begin(KILLED)
    assert (done.returncode, "it is away" in done.stderr) == (1, True)
