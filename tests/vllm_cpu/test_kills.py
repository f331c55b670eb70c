"""Jobs that are killed: what they answered is recorded, the same command asks for the rest, no process is left."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prefdelta.records.call import Call
from prefdelta.store import tables

from .asking import requests

PROGRAM = [sys.executable, str(Path(__file__).with_name("asking.py"))]
N = 600
SECONDS = 300.0  # until a model must be loaded


class Job:
    """The program `asking.py`, in a session of its own."""

    def __init__(self, checkpoint: Path, record: Path) -> None:
        self.log = record.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*PROGRAM, str(checkpoint), str(record), str(N)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + SECONDS
        while text not in self.log.read_text(errors="replace"):
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < end, f"no {text!r} in {self.log}"
            time.sleep(0.05)

    def kill(self, number: signal.Signals) -> float:
        """Send a signal, and return after how many seconds the job had ended."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        return time.monotonic() - started

    def finish(self) -> str:
        """What it says at its end."""
        said, _ = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0, self.log.read_text()[-3000:]
        return said

    def processes(self) -> list[str]:
        """Of its session, as command lines."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


def recorded(folder: Path) -> dict[str, Call]:
    rows = [row for segment in folder.glob("*.parquet") for row in tables.read(segment, Call)]
    by_key = {row.key: row for row in rows}
    assert len(by_key) == len(rows), "a request was recorded twice"
    return by_key


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_killed_in_the_middle_keeps_its_rows_and_then_asks_only_for_the_rest(
    rung: Path, tmp_path: Path, number: signal.Signals
) -> None:
    job = Job(rung, tmp_path / "record")
    job.wait_for("asking: 1/")
    while not recorded(tmp_path / "record"):
        time.sleep(0.05)
    assert job.kill(number) < 5
    assert job.processes() == []
    before = recorded(tmp_path / "record")
    assert 0 < len(before) < N, "it was not in the middle"

    again = Job(rung, tmp_path / "record")
    assert again.finish().split() == ["asked", str(N - len(before))]
    after = recorded(tmp_path / "record")
    assert len(after) == N
    assert before.items() <= after.items()
    assert {row.finish_reason for row in after.values()} <= {"stop", "length"}
    assert again.processes() == []


@pytest.mark.parametrize("moment", ["the first missing request", "Warming up model"])
def test_a_job_told_to_end_while_vllm_starts_ends_in_time(rung: Path, tmp_path: Path, moment: str) -> None:
    job = Job(rung, tmp_path / "record")
    job.wait_for(moment)
    assert job.kill(signal.SIGTERM) < 5
    assert job.process.returncode == 128 + signal.SIGTERM
    assert job.processes() == []


def test_the_requests_are_all_different() -> None:
    assert len({request.key({}) for request in requests(N)}) == N
