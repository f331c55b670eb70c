"""What the kill chains see of a run."""

import os
import subprocess
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from faults.study import JUDGE_IN_FLIGHT
from faults.watching import MARK, StageProcess, Watch, processes_of


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


FIRST_ROUND = """generate long: 2,100 requests, 0 of them recorded
generate long: 700/2,100 requests, 90.0/s, 16 s left
"""
RESUMED = """generate long: 2,100 requests, 1,330 of them recorded
generate long: 2,001/2,100 requests, 90.0/s, 1 s left
"""
SECOND_ROUND = """judge short: 1,000 requests, 0 of them recorded
judge short: 1,000/1,000 requests, 400.0/s, 2.5 s
judge short: 12 requests, 3 of them recorded
"""


@pytest.mark.parametrize(
    ("log", "rows", "unrecorded"),
    [
        (FIRST_ROUND, 699, 0),  # a reply is counted just before it is recorded
        (FIRST_ROUND, 690, 9),
        (RESUMED, 670, 0),
        (RESUMED, 660, 10),
        (SECOND_ROUND, 1000, 0),
        ("", 0, 0),
    ],
)
def test_a_reply_that_was_recorded_before_is_not_missed(tmp_path: Path, log: str, rows: int, unrecorded: int) -> None:
    """What the log counts includes what an earlier process recorded."""
    (tmp_path / "log").write_text(log, encoding="utf-8")
    segment = tmp_path / "calls" / "generate" / "long" / "17955-vm-77-05d67142.parquet"
    segment.parent.mkdir(parents=True)
    parquet.write_table(pyarrow.table({"key": [str(number) for number in range(rows)]}), segment)
    process = StageProcess(77, "generate", tmp_path, tmp_path / "log", 0.0)
    assert process.unrecorded_replies() == unrecorded


SERVED = "judge long, attempt 1: 40/2,000 requests, 8.0/s, 245 s left\nrules: served {} verdicts\n"


@pytest.mark.parametrize(
    ("log", "rows", "lost"),
    [
        (SERVED.format(568), 552, 0),
        (SERVED.format(568), 13, 568 - 13 - JUDGE_IN_FLIGHT),
        (SERVED.format(40) + SERVED.format(20), 40, 60 - 40 - JUDGE_IN_FLIGHT),  # started again
        ("judge long, attempt 1: 40/2,000 requests, 8.0/s, 245 s left\n", 13, 0),  # killed with all others
    ],
)
def test_what_the_judges_server_served_and_nobody_recorded_is_lost(
    tmp_path: Path, log: str, rows: int, lost: int
) -> None:
    (tmp_path / "log").write_text(log, encoding="utf-8")
    segment = tmp_path / "calls" / "judge" / "both~long" / "17955-vm-77-05d67142.parquet"
    segment.parent.mkdir(parents=True)
    parquet.write_table(pyarrow.table({"key": [str(number) for number in range(rows)]}), segment)
    assert StageProcess(77, "judge", tmp_path, tmp_path / "log", 0.0).lost_verdicts() == lost
