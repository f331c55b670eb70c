"""Training with as many processes as there are GPUs: in this process for one, under torch's launcher for several.

All weights of an 8B policy with their optimiser need about 130 GB, so processes share them (FSDP); adapters are small,
so there each process has the whole model (DDP). How many there are decides who computes which rows of an update, and so
the last digits of the sums, and nothing else: it is no part of a policy's key.

This process holds the claim and hears the signals. It asks the others for a snapshot by a file, and seals what they
saved while they train on.
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
from typing import Any

from prefdelta import registry
from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import DPORecipe, KTORecipe, SFTRecipe
from prefdelta.processes import die_with_parent
from prefdelta.snapshots import Snapshots
from prefdelta.training import worker
from prefdelta.training.tokens import PreferenceRow
from prefdelta.training.worker import Exchange, TrainJob

WORKER = worker.__name__
POLL_SECONDS = 0.2
END_SECONDS = 10.0  # from the request to end until the processes are killed


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
) -> dict[str, Any]:
    """Train by a method of the registry, for example `training.dpo`; returns what that returns, and `processes`.

    Raises StudyError as the method does, or if a process stops; MemoryError if one runs out of memory.
    """
    count = processes()
    if count == 1:
        told = registry.load(method)(base, rows, recipe, seed, output, snapshots)
    else:
        newest = snapshots.newest()
        exchange = Exchange(snapshots.folder.with_name("exchange"))
        shutil.rmtree(exchange.folder, ignore_errors=True)  # a killed instance's
        exchange.folder.mkdir(parents=True)
        exchange.give(TrainJob(method, base, list(rows), recipe, seed, output, snapshots.folder, newest))
        try:
            _watch(_launch(count, exchange), snapshots, exchange)
            told = exchange.told()
        finally:
            shutil.rmtree(exchange.folder, ignore_errors=True)
    return {**told, "processes": count}


def _launch(count: int, exchange: Exchange) -> "subprocess.Popen[bytes]":
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", WORKER, str(exchange.folder)],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,  # Ctrl-C reaches this process alone, which has a snapshot taken first
        preexec_fn=partial(die_with_parent, os.getpid()),
    )


def _watch(launched: "subprocess.Popen[bytes]", snapshots: Snapshots, exchange: Exchange) -> None:
    """Have snapshots taken until the processes have ended. If this one has to end, so do they."""
    asked = False
    try:
        while launched.poll() is None:
            if saved := exchange.saved():
                snapshots.seal(saved)
                asked = False
            elif not asked and snapshots.due():
                exchange.ask()
                asked = True
            time.sleep(POLL_SECONDS)
    finally:
        _end(launched)
    if launched.returncode == 0:
        return
    kind, text = exchange.error()
    if kind == MemoryError.__name__:
        raise MemoryError(text)
    raise StudyError(text or f"training stopped with exit code {launched.returncode}; its output is above in this log.")


def _end(launched: "subprocess.Popen[bytes]") -> None:
    if launched.poll() is not None:
        return
    launched.send_signal(signal.SIGTERM)  # the launcher ends the others
    try:
        launched.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(launched.pid, signal.SIGKILL)
        launched.wait()
