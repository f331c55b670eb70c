"""Runs of a study through SLURM, started from outside as a person would, and looked at while they go on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from faults.chain import listen_to_ctrl_c
from prefdelta.scheduler.slurm import submitted

ROOT = Path(__file__).parents[2]
# The plain command, but the executor looks at its jobs every other second; test_pace.py has it at the profile's pace.
_QUICK = """
import sys
from snakemake_executor_plugin_slurm import Executor
Executor.next_seconds_between_status_checks = property(lambda self: 2, lambda self, seconds: None)
from snakemake.cli import main
main()
"""
SNAKEMAKE = [str(Path(sys.executable).with_name("snakemake"))]
QUICK = [
    sys.executable, "-c", _QUICK, "--latency-wait", "5",
    "--slurm-init-seconds-before-status-checks", "2", "--max-status-checks-per-second", "2",
]  # fmt: skip


class Run:
    """One start of Snakemake in a checkout."""

    started: ClassVar[list["Run"]] = []

    def __init__(self, folder: Path, *words: str, command: list[str] = QUICK, **variables: str) -> None:
        self.folder = folder
        self.output = folder / f"run-{len(list(folder.glob('run-*.log'))) + 1}.log"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *words],
                cwd=folder,
                env=environment(folder) | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=listen_to_ctrl_c,
            )
        self.started.append(self)

    @classmethod
    def end_all(cls) -> None:
        """Leave none alive, whatever became of its test."""
        for run in cls.started:
            run.process.kill()
            run.process.wait()
        cls.started.clear()

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def wait(self, seconds: float = 300) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"has not ended after {seconds} s:\n{self.printed()[-4000:]}") from None

    def finish(self, seconds: float = 300) -> str:
        """It has to succeed. Returns what it printed."""
        code = self.wait(seconds)
        assert code == 0, self.printed()[-6000:]
        return self.printed()

    def until(self, true: Callable[[], Any], seconds: float = 120) -> Any:
        """Wait until something has come true, while it runs; returns what that was."""
        ends = time.monotonic() + seconds
        while not (found := true()):
            assert self.process.poll() is None, f"it has ended:\n{self.printed()[-4000:]}"
            assert time.monotonic() < ends, f"not within {seconds} s:\n{self.printed()[-4000:]}"
            time.sleep(0.2)
        return found

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)


def environment(folder: Path) -> dict[str, str]:
    """For what is started in a checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT / "src"), "HOME": str(folder), "PREFDELTA_SBATCH_PATIENCE": "120"}


def last_job(results: Path, rule: str) -> str:
    """The SLURM id of a rule's last job."""
    return next(job.id for job in reversed(submitted(results)) if job.target.startswith(f"{rule}:"))


def computed(results: Path, name: str) -> Mapping[str, int]:
    """What a job says that it really did: calls, updates, ..."""
    manifest = json.loads((results / f"{name}.manifest.json").read_text())
    found: dict[str, int] = manifest["run"]["computed"]
    return found
