"""Training with as many processes as there are GPUs: in this process for one, under a launcher for several.

All weights of an 8B policy with their optimiser need about 130 GB, so processes share them (FSDP); adapters are small,
so there each process has the whole model (DDP). How many there are decides who computes which rows of an update, and so
the last digits of the sums, and nothing else: it is no part of a policy's key.

This process holds the claim and hears the signals. It says where the others start, asks them for snapshots by files,
and seals what they saved while they train on. Torch launches them on this machine, SLURM on others (`cluster`).
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
from prefdelta.core.recipes import DPORecipe, KTORecipe, SFTRecipe
from prefdelta.store.snapshots import Layout, Snapshots
from prefdelta.system import events, plugins
from prefdelta.system.files import INSTANCE
from prefdelta.system.processes import die_with_parent, exit_code_told
from prefdelta.training.processes import elastic, worker
from prefdelta.training.processes.mailbox import Exchange, Ran, TrainJob
from prefdelta.training.processes.submitit_job import SlurmProcesses
from prefdelta.training.tokens import PreferenceRow

WORKER = worker.__name__
POLL_SECONDS = 0.2
END_SECONDS = 10.0  # from the request to end until the processes are killed
SILENCE_SECONDS = 120.0  # without a sign of life of this process: then the others end by themselves


class Processes(Protocol):
    """Those that train."""

    count: int

    def running(self) -> bool: ...

    def end(self) -> None:
        """End them, if they have not ended."""

    def check(self) -> None:
        """Raise StudyError, or MemoryError, unless they ended well."""


def processes() -> int:
    """One for each GPU, or one on the CPU."""
    import torch

    return torch.cuda.device_count() or 1


def train(
    method: str,
    base: Path,
    rows: Sequence[PreferenceRow],
    recipe: DPORecipe | KTORecipe | SFTRecipe,
    seed: int,
    output: Path,
    snapshots: Snapshots,
    launch: Launch,
    about: str,
) -> tuple[dict[str, Any], Ran | None]:
    """Train by a method of the registry, for example `training.methods.dpo`.

    Returns what that returns, with `processes`; and where it ran, if that was in a SLURM job of its own.
    about: the arm, for the one who looks into the queue of a cluster.
    Raises StudyError as the method does, or if a process stops; MemoryError if one runs out of memory.
    """
    count = processes() if launch.submitit is None else launch.submitit.nodes * launch.tasks
    snapshots.lay_out(Layout(count, in_parts=count > 1 and not recipe.lora))
    if launch.submitit is None and count == 1:
        return {**plugins.load(method)(base, rows, recipe, seed, output, snapshots), "processes": 1}, None
    # A killed instance's; what it launched sees that it is gone.
    for dead in snapshots.folder.parent.glob("exchange-*"):
        shutil.rmtree(dead)
    exchange = Exchange(snapshots.folder.with_name(f"exchange-{INSTANCE}"))
    exchange.folder.mkdir(parents=True)
    job = TrainJob(method, base, list(rows), recipe, seed, output, snapshots.folder, launch.fsdp, SILENCE_SECONDS)
    exchange.give(job)
    try:
        with exchange.alive():
            launched = _launched(exchange, launch, about)
            try:
                _serve(launched, snapshots, exchange)
            finally:
                launched.end()
        told = {**_told(launched, exchange), "processes": launched.count}
        return told, exchange.ran() if launch.submitit else None
    finally:
        shutil.rmtree(exchange.folder, ignore_errors=True)


def _launched(exchange: Exchange, launch: Launch, about: str) -> Processes:
    if launch.submitit is None:
        return TorchProcesses(processes(), exchange)
    return SlurmProcesses(WORKER, exchange, launch, about)


def _serve(launched: Processes, snapshots: Snapshots, exchange: Exchange) -> None:
    """Answer what the processes ask, and have snapshots taken, until they have ended."""
    resumed_at, asked = None, False
    while launched.running():
        if report := exchange.take_report():
            events.report(report)
        if saved := exchange.saved():
            snapshot, seconds = saved
            snapshots.began(seconds)
            snapshots.seal(snapshot)
            asked = False
        elif exchange.starting():  # for SLURM starts them again where it has taken their nodes back
            exchange.go_on_from(snapshots.newest())
            resumed_at = snapshots.resumed_at if resumed_at is None else resumed_at
            asked = False
        elif not asked and snapshots.due():
            exchange.ask()
            asked = True
        time.sleep(POLL_SECONDS)
    snapshots.resumed_at = resumed_at or 0


def _told(launched: Processes, exchange: Exchange) -> dict[str, Any]:
    """What was measured. Raises StudyError or MemoryError if the training did not end well."""
    kind, text = exchange.error()
    if kind == MemoryError.__name__:
        raise MemoryError(text)
    if text:
        raise StudyError(text)
    launched.check()
    told = exchange.told()
    assert told is not None
    return told


class TorchProcesses:
    """On this machine, one for each GPU."""

    def __init__(self, count: int, exchange: Exchange) -> None:
        self.count = count
        options = ["--standalone", f"--nproc-per-node={count}", "-m", WORKER, str(exchange.folder)]
        self._launcher = subprocess.Popen(
            [sys.executable, "-m", elastic.__name__, str(exchange.folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,  # Ctrl-C reaches this process alone, which has a snapshot taken first
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
            raise StudyError(f"training stopped with {exit_code_told(code)}; its output is above in this log.")
