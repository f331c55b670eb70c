"""What the kill chains see of a run."""

import os
import subprocess
from pathlib import Path

import pytest

from faults.watching import MARK, Watch, processes_of


@pytest.mark.parametrize("writes_to_a_log", [True, False])
def test_a_process_that_writes_to_no_log_is_no_stage(tmp_path: Path, writes_to_a_log: bool) -> None:
    """A stage's child has its command line for a moment, with a pipe for its messages."""
    (tmp_path / "prefdelta.stages.judge").write_text("echo started >&2; read line\n", encoding="utf-8")
    command = ["sh", "-m", "prefdelta.stages.judge", "--record", "record"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stderr=log if writes_to_a_log else subprocess.PIPE,
            env={**os.environ, MARK: str(tmp_path)},
        )
    try:
        watch = Watch(str(tmp_path), tmp_path)
        assert processes_of(str(tmp_path)) == [process.pid]
        assert len(watch.look()) == writes_to_a_log
        assert len(watch.look()) == writes_to_a_log
    finally:
        process.communicate(b"\n")
