"""What is dear to make and shared by test files: the first process that needs it makes it, however many there are."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder that `make` has filled; other processes wait until it is complete. Tests copy it."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of all workers
    folder, complete = root / name, root / f"{name}.complete"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            make(folder)
            complete.touch()
    return folder


def copied(folder: Path, target: Path) -> Path:
    """A copy with the same times, results and records."""
    subprocess.run(["cp", "-a", folder, target], check=True)  # four times as fast as shutil
    return target
