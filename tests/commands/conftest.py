import os
import shutil
from pathlib import Path

import pytest

from .made import make_checkout, make_results


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small study and all its results."""
    folder, before = make_checkout(tmp_path_factory.mktemp("made")), Path.cwd()
    os.chdir(folder)
    try:
        make_results()
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def checkout(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working directory."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path, dirs_exist_ok=True))
    return tmp_path
