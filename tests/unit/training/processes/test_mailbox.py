import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prefdelta.core.compute import Fsdp
from prefdelta.system.events import Report
from prefdelta.training.processes import mailbox as exchanges
from prefdelta.training.processes.mailbox import Exchange, Ran, TrainJob
from unit.training.making import RECIPES


@pytest.fixture
def exchange(tmp_path):
    (tmp_path / "exchange").mkdir()
    return Exchange(tmp_path / "exchange")


def job(base, rows, folder, silence=60.0):
    recipe = RECIPES["dpo"][1]
    return TrainJob(
        "training.dpo", base, rows, recipe, 3, folder / "policy", folder / "snapshots", Fsdp(cpu_offload=True), silence
    )


def test_a_job_arrives_as_it_was_given(exchange, base, rows, tmp_path):
    given = job(base, rows, tmp_path)
    exchange.give(given)
    assert Exchange(exchange.folder).job() == given


def test_a_request_is_answered_once(exchange):
    assert not exchange.asked()
    exchange.ask()
    assert exchange.asked()
    assert not exchange.asked()
    exchange.save(Path("checkpoint-3"), 4.5)
    assert exchange.saved() == (Path("checkpoint-3"), 4.5)
    assert exchange.saved() is None


def test_a_report_of_progress_is_taken_once(exchange):
    assert exchange.take_report() is None
    report = Report("training", 3, 10, "updates", 0.5, 14.0)
    exchange.report(Report("training", 2, 10, "updates", 0.5, 16.0))
    exchange.report(report)
    assert exchange.take_report() == report
    assert exchange.take_report() is None


def test_each_start_asks_anew_where_to_go_on(exchange):
    for snapshot in (None, Path("checkpoint-3"), Path("checkpoint-5")):
        exchange.start()
        assert exchange.newest() is None  # the answer to an earlier start is none to this one
        assert exchange.starting()
        exchange.go_on_from(snapshot)
        assert exchange.newest() == (snapshot,)
    assert not exchange.starting()


def test_what_broke_first_is_told_until_they_start_again(exchange):
    assert exchange.broken() == ""
    exchange.break_off("process 2: ValueError: x")
    exchange.break_off("process 0: RuntimeError: connection closed by peer")
    assert exchange.broken() == "process 2: ValueError: x"
    exchange.start()
    assert exchange.broken() == ""


def test_how_long_they_ran_and_where_arrives_as_it_was_noted(exchange):
    assert exchange.ran() == Ran(0.0, None, [])
    noted = Ran(12.5, "7", ["n1: H100 (0)", "n2: H100 (0)"])
    exchange.note(noted)
    assert exchange.ran() == noted


def test_signs_of_life_come_until_the_end(exchange, monkeypatch):
    monkeypatch.setattr(exchanges, "BEAT_SECONDS", 0.05)
    with exchange.alive():
        time.sleep(0.1)
        first = exchange.heard()
        time.sleep(0.2)
        assert exchange.heard() != first
    last = exchange.heard()
    assert last
    exchange.close()
    assert exchange.heard() is None


def test_a_training_that_nobody_waits_for_ends_by_itself(exchange, base, rows, tmp_path):
    exchange.give(job(base, rows, tmp_path, silence=1.0))
    done = subprocess.run(
        [sys.executable, "-m", "prefdelta.training.processes.worker", str(exchange.folder)],
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "the process that launched this training is gone" in done.stderr
    assert not (tmp_path / "policy").exists()
