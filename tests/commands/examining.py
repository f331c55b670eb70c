"""`prefdelta doctor`, run on a small study in a checkout of the test's own."""

import sys
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.doctor import CHECKS
from prefdelta.commands.main import main

from .made import CONFIG, ROOT, make_checkout, small_study

SECRET = "sk-0123456789abcdef"  # nothing that is printed holds it
Lines = dict[str, list[tuple[str, str]]]  # check -> (state, what was found and what to do) of each line


def make_place(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """A checkout as the working directory, programs of the test's before others on the PATH, and no keys."""
    make_checkout(folder)
    for name in ("envs", "workflow"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "programs").mkdir()
    patch.chdir(folder)
    patch.setenv("PATH", f"{folder}/programs:{Path(sys.executable).parent}:/usr/bin:/bin")
    for name in ("HF_TOKEN", "OPENAI_API_KEY"):
        patch.delenv(name, raising=False)
    patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "cache"))
    patch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(folder / "token"))


def program(folder: Path, name: str, script: str) -> None:
    path = folder / "programs" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def examine(capsys: pytest.CaptureFixture, words: tuple[str, ...], changes: dict) -> Lines:
    """What is printed of small_study with changes."""
    Path(CONFIG).write_text(yaml.safe_dump(small_study() | changes))
    code = main(["doctor", "--configfile", CONFIG, *words])
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    found: Lines = {}
    for line in printed.out.splitlines()[1:]:
        state, rest = line[:4].strip(), line[4:].strip()
        # "hub" begins "hub token".
        name = max((name for name in CHECKS if rest.startswith(f"{name} ")), key=len, default=None)
        if name:
            found.setdefault(name, []).append((state, rest.removeprefix(name).strip()))
    failed = any(state == "fail" for lines in found.values() for state, _ in lines)
    assert code == (2 if failed else 0)
    assert ("checks failed" in printed.err) == failed
    return found


def only(found: Lines, check: str) -> tuple[str, str]:
    """The one line of a check."""
    (line,) = found[check]
    return line
