import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from prefdelta.core.compute import Fsdp
from prefdelta.system.events import Report
from prefdelta.training.processes import mailbox as module
from prefdelta.training.processes.mailbox import Mailbox, TrainingRun, TrainJob
from unit.training.making import RECIPES


@pytest.fixture
def mailbox(tmp_path):
    (tmp_path / "mailbox").mkdir()
    return Mailbox(tmp_path / "mailbox")


def job(base, rows, folder, silence=60.0):
    recipe = RECIPES["dpo"]
    return TrainJob(base, rows, recipe, 3, folder / "policy", folder / "snapshots", Fsdp(cpu_offload=True), silence)


def test_a_job_arrives_as_it_was_given(mailbox, base, rows, tmp_path):
    given = job(base, rows, tmp_path)
    mailbox.put_job(given)
    arrived = Mailbox(mailbox.folder).job()
    assert list(arrived.rows) == rows
    assert replace(arrived, rows=rows) == given


def test_a_request_is_answered_once(mailbox):
    assert not mailbox.take_snapshot_request()
    mailbox.request_snapshot()
    assert mailbox.take_snapshot_request()
    assert not mailbox.take_snapshot_request()
    mailbox.put_snapshot(Path("checkpoint-3"), 4.5)
    assert mailbox.take_snapshot() == (Path("checkpoint-3"), 4.5)
    assert mailbox.take_snapshot() is None


def test_a_report_of_progress_is_taken_once(mailbox):
    assert mailbox.take_report() is None
    report = Report("training", 3, 10, "updates", 0.5, 14.0)
    mailbox.put_report(Report("training", 2, 10, "updates", 0.5, 16.0))
    mailbox.put_report(report)
    assert mailbox.take_report() == report
    assert mailbox.take_report() is None


def test_a_report_does_not_hide_that_the_launching_process_is_gone(mailbox):
    shutil.rmtree(mailbox.folder)
    mailbox.put_report(Report("training", 3, 10, "updates", 0.5, 14.0))
    assert mailbox.last_sign_of_life() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"what": "training"}'])
def test_a_report_that_cannot_be_read_ends_nothing(mailbox, text):
    mailbox.put_report(Report("training", 3, 10, "updates", 0.5, 14.0))
    (written,) = mailbox.folder.iterdir()
    written.write_text(text)
    assert mailbox.take_report() is None


def test_each_start_asks_anew_where_to_go_on(mailbox):
    for snapshot in (None, Path("checkpoint-3"), Path("checkpoint-5")):
        mailbox.request_start()
        assert mailbox.start() is None  # the answer to an earlier start is none to this one
        assert mailbox.take_start_request()
        mailbox.put_start(snapshot)
        assert mailbox.start() == (snapshot,)
    assert not mailbox.take_start_request()


def test_what_broke_first_is_told_until_they_start_again(mailbox):
    assert mailbox.broken() == ""
    mailbox.put_break("process 2: ValueError: x")
    mailbox.put_break("process 0: RuntimeError: connection closed by peer")
    assert mailbox.broken() == "process 2: ValueError: x"
    mailbox.request_start()
    assert mailbox.broken() == ""


def test_how_long_they_ran_and_where_arrives_as_it_was_noted(mailbox):
    assert mailbox.run() == TrainingRun(0.0, None, [])
    noted = TrainingRun(12.5, "7", ["n1: H100 (0)", "n2: H100 (0)"])
    mailbox.put_run(noted)
    assert mailbox.run() == noted


def test_signs_of_life_come_until_the_end(mailbox, monkeypatch):
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.05)
    with mailbox.signs_of_life():
        time.sleep(0.1)
        first = mailbox.last_sign_of_life()
        time.sleep(0.2)
        assert mailbox.last_sign_of_life() != first
    last = mailbox.last_sign_of_life()
    assert last
    mailbox.close()
    assert mailbox.last_sign_of_life() is None


def test_a_training_that_nobody_waits_for_ends_by_itself(mailbox, base, rows, tmp_path):
    mailbox.put_job(job(base, rows, tmp_path, silence=1.0))
    done = subprocess.run(
        [sys.executable, "-m", "prefdelta.training.processes.worker", str(mailbox.folder)],
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "the process that launched this training is gone" in done.stderr
    assert not (tmp_path / "policy").exists()
