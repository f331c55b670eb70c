"""workflow/bin/sacct, in front of a sacct of ours."""

import os
import subprocess
from pathlib import Path

import pytest

BIN = Path(__file__).parents[3] / "workflow/bin"


def asked(folder: Path, script: str | None) -> tuple[int, str, str]:
    """(exit code, what it said, its errors) of sacct where SLURM's own does this; None: there is none."""
    (folder / "bin").mkdir()
    if script is not None:
        (folder / "bin/sacct").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "bin/sacct").chmod(0o755)
    path = os.pathsep.join([str(BIN), f"{BIN}/../bin", str(folder / "bin"), "/bin"])  # itself, twice, and another
    words = ["sacct", "--format=JobIdRaw,State", "--name", "a b"]
    done = subprocess.run(words, env={"PATH": path}, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('for word in "$@"; do echo "$word"; done', "--format=JobIdRaw,State\n--name\na b\n"),
        ("true", ""),
        ("echo Slurm accounting storage is disabled >&2; exit 1", ""),
        ("echo 7; exit 1", ""),
        (None, ""),
    ],
)
def test_an_answer_is_passed_on_and_an_error_is_none(tmp_path: Path, script: str | None, said: str) -> None:
    assert asked(tmp_path, script) == (0, said, "")
