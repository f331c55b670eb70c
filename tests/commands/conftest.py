import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .audited import make_audited
from .examining import Lines, examine, make_place
from .export_made import make_exportable
from .fake_slurm import FakeSlurm
from .looked_at import make_study
from .made import make_checkout, make_results


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small study and all its results."""
    return _made_in(tmp_path_factory.mktemp("made"), make_results)


@pytest.fixture
def checkout(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working directory."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path, dirs_exist_ok=True))
    return tmp_path


@pytest.fixture(scope="session")
def made_audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small study whose numbers can be reckoned by hand."""
    return _made_in(tmp_path_factory.mktemp("audited"), make_audited)


@pytest.fixture(scope="session")
def exportable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small study whose pairs, policies and results can be exported."""
    return _made_in(tmp_path_factory.mktemp("exportable"), make_exportable)


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small study to look at; a test that changes it copies it."""
    return _made_in(tmp_path_factory.mktemp("looked_at"), make_study)


def _made_in(folder: Path, make: Callable[[], None]) -> Path:
    make_checkout(folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        make()
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def audited(made_audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working directory."""
    monkeypatch.chdir(shutil.copytree(made_audited, tmp_path, dirs_exist_ok=True))
    return tmp_path


@pytest.fixture
def exporting(exportable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the working directory."""
    monkeypatch.chdir(shutil.copytree(exportable, tmp_path, dirs_exist_ok=True))
    return tmp_path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without results, as the working directory of `doctor`."""
    make_place(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def doctor(here: Path, capsys: pytest.CaptureFixture) -> Callable[..., Lines]:
    """doctor(*options, **changes of the small study) -> the lines that are printed."""
    return lambda *words, **changes: examine(capsys, words, changes)


@pytest.fixture
def slurm(here: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A cluster of four nodes with 8 CPUs, 65,536 MB and 4 H100 each; its commands are on the PATH."""
    found = FakeSlurm(here / "slurm")
    monkeypatch.setenv("PATH", f"{found.folder}:{os.environ['PATH']}")
    return found
