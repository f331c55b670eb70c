"""Folders and large files that appear whole, or not at all."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.system.staged import new_file, new_folder

_WAITS = """
import sys, time
from pathlib import Path
from prefdelta.system import staged
with getattr(staged, sys.argv[1])(Path("made/for/it")) as path:
    (path / "half" if path.is_dir() else path).write_text("half")
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("kind", ["new_file", "new_folder"])
def test_a_process_that_is_told_to_end_leaves_nothing(tmp_path, kind):
    with subprocess.Popen([sys.executable, "-c", _WAITS, kind], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [new_file, new_folder])
def test_an_error_leaves_nothing_not_even_the_folders_on_the_way(tmp_path, make):
    with pytest.raises(RuntimeError), make(tmp_path / "made/for/it"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [new_file, new_folder])
def test_a_path_that_is_taken_or_cannot_be_made_is_refused(tmp_path, make):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    for name in ("file", "link", "full", "file/below", "link/below", "n" * 250, "n" * 300, "new/with\0nothing"):
        with pytest.raises(StudyError), make(tmp_path / name):
            pass
    assert sorted(tmp_path.rglob("*")) == before
    assert Path(tmp_path / "file").read_text() == "mine"
