"""Training with as many processes as there are GPUs: in this process for one GPU, in launched processes for several.

All weights of an 8B policy with their optimiser need about 130 GB, so processes share them (FSDP). Adapters are small,
so each process then has the whole model (DDP). The number of processes decides only who computes which rows of an
update, and so the last digits of the sums: it is not part of a policy's key.

This process holds the claim and receives the signals. Through the mailbox it tells the others from which snapshot to
start, asks them for snapshots, and seals these while they train on. Torch launches the others on this machine
(`elastic`), SLURM on other machines (`submitit_job`).
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from prefdelta.core.errors import StudyError
from prefdelta.core.launch import Launch
from prefdelta.core.recipes import Recipe
from prefdelta.store.snapshots import Layout, Snapshots
from prefdelta.system import events
from prefdelta.system.instance import INSTANCE
from prefdelta.system.processes import describe_exit_code, die_with_parent
from prefdelta.training import trainer
from prefdelta.training.processes import elastic, worker
from prefdelta.training.processes.mailbox import Mailbox, TrainingRun, TrainJob
from prefdelta.training.processes.submitit_job import SlurmProcesses
from prefdelta.training.registry import method_of
from prefdelta.training.tokens import PreferenceRow

WORKER = worker.__name__
POLL_SECONDS = 0.2  # between two looks into the mailbox
END_SECONDS = 10.0  # from the request to end until processes are killed
SILENCE_SECONDS = 120.0  # after so long without a sign of life of this process, the others end by themselves


class Processes(Protocol):
    """The processes that train."""

    count: int

    def running(self) -> bool: ...

    def end(self) -> None:
        """End the processes that have not ended."""

    def check(self) -> None:
        """Raise StudyError, or MemoryError, unless the processes ended well."""


def count_processes() -> int:
    """One process for each GPU, or one on the CPU."""
    import torch

    return torch.cuda.device_count() or 1


def train(
    base: Path,
    rows: Sequence[PreferenceRow],
    recipe: Recipe,
    seed: int,
    output: Path,
    snapshots: Snapshots,
    launch: Launch,
    about: str,
) -> tuple[dict[str, Any], TrainingRun | None]:
    """Train by the method that the recipe names.

    about: the arm, as the name of the SLURM job in the queue.
    Returns (the result of `trainer.train` with the number of `processes`, the run if it was a SLURM job of its own).
    Raises StudyError like `trainer.train`, or if a process stops; MemoryError if one runs out of memory.
    """
    count = count_processes() if launch.submitit is None else launch.submitit.nodes * launch.tasks
    snapshots.lay_out(Layout(count, in_parts=count > 1 and not recipe.lora))
    if launch.submitit is None and count == 1:
        measured = trainer.train(method_of(recipe), base, rows, recipe, seed, output, snapshots)
        return {**measured, "processes": 1}, None
    # Mailboxes of killed instances. The processes that these launched see that the folder is gone, and end.
    for abandoned in snapshots.folder.parent.glob("mailbox-*"):
        shutil.rmtree(abandoned)
    mailbox = Mailbox(snapshots.folder.with_name(f"mailbox-{INSTANCE}"))
    mailbox.folder.mkdir(parents=True)
    job = TrainJob(base, rows, recipe, seed, output, snapshots.folder, launch.fsdp, SILENCE_SECONDS)
    mailbox.put_job(job)
    try:
        with mailbox.signs_of_life():
            launched = _launch(mailbox, launch, about)
            try:
                _serve(launched, snapshots, mailbox)
            finally:
                launched.end()
        measured = {**_result(launched, mailbox), "processes": launched.count}
        return measured, mailbox.run() if launch.submitit else None
    finally:
        shutil.rmtree(mailbox.folder, ignore_errors=True)


def _launch(mailbox: Mailbox, launch: Launch, about: str) -> Processes:
    if launch.submitit is None:
        return TorchProcesses(count_processes(), mailbox)
    return SlurmProcesses(WORKER, mailbox, launch, about)


def _serve(launched: Processes, snapshots: Snapshots, mailbox: Mailbox) -> None:
    """Answer the processes' requests, and ask them for snapshots, until they have ended."""
    resumed_at, requested = None, False
    while launched.running():
        if report := mailbox.take_report():
            events.report(report)
        if written := mailbox.take_snapshot():
            snapshot, seconds = written
            snapshots.began(seconds)
            snapshots.seal(snapshot)
            requested = False
        elif mailbox.take_start_request():  # again each time that SLURM has taken their nodes back
            mailbox.put_start(snapshots.take_newest())
            resumed_at = snapshots.resumed_at if resumed_at is None else resumed_at
            requested = False
        elif not requested and snapshots.due():
            mailbox.request_snapshot()
            requested = True
        time.sleep(POLL_SECONDS)
    snapshots.resumed_at = resumed_at or 0


def _result(launched: Processes, mailbox: Mailbox) -> dict[str, Any]:
    """The measurements. Raises StudyError or MemoryError if the training did not end well."""
    kind, message = mailbox.error()
    if kind == MemoryError.__name__:
        raise MemoryError(message)
    if message:
        raise StudyError(message)
    launched.check()
    measured = mailbox.result()
    assert measured is not None
    return measured


class TorchProcesses:
    """Processes on this machine, one for each GPU."""

    def __init__(self, count: int, mailbox: Mailbox) -> None:
        self.count = count
        options = ["--standalone", f"--nproc-per-node={count}", "-m", WORKER, str(mailbox.folder)]
        self._launcher = subprocess.Popen(
            [sys.executable, "-m", elastic.__name__, str(mailbox.folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,  # Ctrl-C reaches only this process, which first asks for a snapshot
            preexec_fn=partial(die_with_parent, os.getpid()),
        )

    def running(self) -> bool:
        return self._launcher.poll() is None

    def end(self) -> None:
        if not self.running():
            return
        self._launcher.send_signal(signal.SIGTERM)  # the launcher ends the others
        try:
            self._launcher.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._launcher.pid, signal.SIGKILL)
            self._launcher.wait()

    def check(self) -> None:
        if code := self._launcher.returncode:
            raise StudyError(f"training stopped with {describe_exit_code(code)}; its output is above in this log.")
