"""A job's events: what is written is read again, and nothing that goes wrong with them ends a job."""

import json
import os

import pytest

from prefdelta.system import events
from prefdelta.system.events import Ending, Events, Report

RUN = "host-1-0123abcd"
REPORT = Report("judge g3", 3, 10, "requests", 0.5, 14.0)
DONE = Ending("done", "done: 10 rows", 10, 0)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A process that has begun no file."""
    monkeypatch.setattr(events, "_file", None)
    monkeypatch.setattr(events, "_forward", None)


def test_the_last_report_and_the_last_ending_count(tmp_path):
    path = tmp_path / "logs/judge/g3.events.jsonl"
    events.begin(path, RUN)
    assert events.read(path) == Events(1, None, None)
    events.report(Report("judge g3", 1, 10, "requests", 0.5, 18.0))
    events.report(REPORT)
    assert events.read(path) == Events(1, REPORT, None)
    events.end(Ending("stopped", "SIGTERM"))
    events.end(DONE)
    assert events.read(path) == Events(1, REPORT, DONE)


def test_of_a_long_message_the_beginning_is_kept(tmp_path):
    path = tmp_path / "a.events.jsonl"
    events.begin(path, RUN)
    events.end(Ending("error", "error: " + "é" * 100_000))
    assert events.read(path).ending == Ending("error", "error: " + "é" * (events.MESSAGE_CHARACTERS - 7))


def test_each_line_is_json_with_time_and_attempt(tmp_path):
    path = tmp_path / "a.events.jsonl"
    events.begin(path, RUN)
    events.report(REPORT)
    start, progress = map(json.loads, path.read_text().splitlines())
    assert start.items() >= {"event": "start", "run": RUN, "attempt": 1}.items()
    assert progress.items() >= {"event": "progress", "done": 3, "of": 10, "per_second": 0.5, "attempt": 1}.items()
    assert isinstance(progress["at"], float)


@pytest.mark.parametrize(("run", "attempt"), [(RUN, 2), ("host-2-0123abcd", 1), ("", 1)])
def test_an_attempt_begins_the_file_anew_and_is_counted_within_its_run(tmp_path, run, attempt):
    path = tmp_path / "a.events.jsonl"
    events.begin(path, RUN)
    events.end(DONE)
    events.begin(path, run)
    assert events.read(path) == Events(attempt, None, None)


@pytest.mark.parametrize("before", ["", "[]\n", '{"event": "sta', "\x00\x00\n"])
def test_whatever_was_there_before_is_replaced(tmp_path, before):
    path = tmp_path / "a.events.jsonl"
    path.write_text(before)
    events.begin(path, RUN)
    assert events.read(path) == Events(1, None, None)


def test_an_earlier_instance_that_still_writes_does_not_write_into_the_new_file(tmp_path):
    path = tmp_path / "a.events.jsonl"
    events.begin(path, RUN)
    earlier = events._file
    events.begin(path, RUN)
    earlier.write("end", {"how": "done", "message": "", "rows": 1, "failed": 0})
    assert events.read(path).ending is None


def test_a_forked_process_writes_nothing(tmp_path):
    path = tmp_path / "a.events.jsonl"
    events.begin(path, RUN)
    if (child := os.fork()) == 0:
        events.end(DONE)
        os._exit(0)
    os.waitpid(child, 0)
    assert events.read(path).ending is None


def test_a_process_without_a_file_forwards_its_reports_or_writes_nothing():
    events.report(REPORT)
    events.end(DONE)
    received = []
    events.forward_to(received.append)
    events.report(REPORT)
    assert received == [REPORT]


def test_where_nothing_can_be_written_nothing_happens(tmp_path):
    (tmp_path / "a file").write_text("")
    path = tmp_path / "a file/a.events.jsonl"
    events.begin(path, RUN)
    events.report(REPORT)
    events.end(DONE)
    assert events.read(path) is None


def test_after_a_full_disk_the_next_line_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.events.jsonl"
    events.begin(path, RUN)
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:20]))
    events.report(REPORT)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    events.report(REPORT)
    monkeypatch.setattr(os, "write", write)
    events.end(DONE)
    assert events.read(path) == Events(1, None, DONE)


def test_of_a_long_file_the_end_is_read(tmp_path):
    path = tmp_path / "a.events.jsonl"
    events.begin(path, RUN)
    for done in range(2_000):
        events.report(Report("judge g3", done, 2_000, "requests", 0.5, None))
    assert path.stat().st_size > events.READ_BYTES
    assert events.read(path).report.done == 1_999
