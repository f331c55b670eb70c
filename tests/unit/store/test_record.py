import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pyarrow as pa
import pytest
from pyarrow import parquet

from prefdelta.core.errors import StudyError
from prefdelta.records.call import Call
from prefdelta.store import tables
from prefdelta.store.record import Record
from prefdelta.system import files
from unit.limits import no_free_file


def call(key, text="x"):
    return Call(key, key, 0, text, "stop", 1, None, None, 0.1, 1_700_000_000.0, "host")


def record_in(folder, **options):
    return Record(folder, Call, **options)


def rows(folder):
    """All rows of all segments, as they lie on disk."""
    return [row for segment in segments(folder) for row in tables.read(segment, Call)]


def segments(folder):
    return sorted(folder.glob("*.parquet"))


def test_a_row_is_on_disk_after_a_flush(tmp_path):
    record = record_in(tmp_path)
    record.append(call("a"))
    record.flush()
    assert record_in(tmp_path).fetch(["a"]) == {"a": call("a")}


def test_a_row_is_on_disk_when_the_record_is_left(tmp_path):
    with record_in(tmp_path) as record:
        record.append(call("a"))
    assert rows(tmp_path) == [call("a")]


def test_a_row_is_on_disk_when_the_record_is_left_by_an_error(tmp_path):
    def work(record):
        record.append(call("a"))
        raise KeyError

    with pytest.raises(KeyError), record_in(tmp_path) as record:
        work(record)
    assert rows(tmp_path) == [call("a")]


def test_a_row_is_on_disk_after_some_seconds_even_if_no_other_follows(tmp_path):
    with record_in(tmp_path, flush_seconds=0.1) as record:
        record.append(call("a"))
        ends = time.monotonic() + 5
        while not segments(tmp_path) and time.monotonic() < ends:
            time.sleep(0.02)
        assert rows(tmp_path) == [call("a")]


def test_a_full_portion_of_rows_does_not_wait(tmp_path):
    with record_in(tmp_path, flush_seconds=60, flush_rows=3) as record:
        for key in "abcd":
            record.append(call(key))
        assert len(rows(tmp_path)) == 3


def test_an_error_of_the_background_is_raised_where_the_next_row_is_added(tmp_path):
    folder = tmp_path / "calls"
    folder.write_text("no folder")  # nothing can be written below it

    def work(record):
        record.append(call("a"))
        time.sleep(1)
        record.append(call("b"))
        raise AssertionError("it went on")

    record = record_in(folder, flush_seconds=0.05)
    with pytest.raises((FileExistsError, NotADirectoryError)), record:
        work(record)


def test_what_is_missing_is_told_also_of_rows_that_are_not_on_disk_yet(tmp_path):
    record = record_in(tmp_path)
    record.append(call("a"))
    assert record.missing(["a", "b"]) == {"b"}


def test_only_the_rows_asked_for_are_fetched(tmp_path):
    with record_in(tmp_path) as record:
        for key in "abc":
            record.append(call(key, text=key.upper()))
    assert record_in(tmp_path).fetch(["b", "z"]) == {"b": call("b", text="B")}


def test_at_the_start_only_the_column_of_keys_is_read(tmp_path, monkeypatch):
    with record_in(tmp_path) as record:
        record.append(call("a"))
    read, asked = tables.read_arrow, []
    monkeypatch.setattr(tables, "read_arrow", lambda *given: asked.append(given[2:]) or read(*given))
    assert record_in(tmp_path).missing(["a"]) == set()
    assert asked == [(["key"],)]


def test_a_record_of_a_missing_folder_is_empty_and_leaves_none(tmp_path):
    with record_in(tmp_path / "calls") as record:
        assert record.missing(["a"]) == {"a"}
    assert not (tmp_path / "calls").exists()


def test_a_flush_without_new_rows_writes_nothing(tmp_path):
    record = record_in(tmp_path)
    record.append(call("a"))
    record.flush()
    record.flush()
    assert len(segments(tmp_path)) == 1


def test_segments_are_only_added(tmp_path):
    with record_in(tmp_path) as record:
        record.append(call("a"))
    (first,) = segments(tmp_path)
    content = first.read_bytes()
    with record_in(tmp_path) as record:
        record.append(call("b"))
    assert len(segments(tmp_path)) == 2
    assert first.read_bytes() == content


def test_a_second_row_of_one_key_does_not_replace_the_first(tmp_path):
    with record_in(tmp_path) as record:
        record.append(call("a", "first"))
        record.append(call("a", "second"))
    assert rows(tmp_path) == [call("a", "first")]


def test_two_records_writing_to_one_folder_both_survive(tmp_path):
    with record_in(tmp_path) as one, record_in(tmp_path) as other:
        for index in range(5):
            one.append(call(f"one{index}"))
            other.append(call(f"other{index}"))
            one.flush()
            other.flush()
    expected = {f"{name}{index}" for name in ("one", "other") for index in range(5)}
    assert record_in(tmp_path).missing(expected) == set()


def test_every_reader_takes_the_row_that_was_published_first(tmp_path):
    one, other = record_in(tmp_path), record_in(tmp_path)
    one.append(call("a", "one"))
    other.append(call("a", "other"))
    other.flush()
    one.flush()
    assert record_in(tmp_path).fetch(["a"])["a"].text == "other"


def test_it_is_fast_enough_for_a_million_calls(tmp_path):
    # It is to take 20,000 rows per second and to look up 1,000,000 keys in 2 seconds (benchmarks/record_speed.py). A
    # tenth of that must do on a machine that is busy with other things.
    rows = [call(f"{index:064}", text=f"{index} " * 40) for index in range(10_000)]
    started = time.perf_counter()
    record = record_in(tmp_path)
    for row in rows:
        record.append(row)
    record.flush()
    appended = time.perf_counter()
    assert record_in(tmp_path).missing(f"{index:064}" for index in range(100_000)) == {
        f"{index:064}" for index in range(10_000, 100_000)
    }
    looked_up = time.perf_counter()
    assert appended - started < 10_000 / 2_000
    assert looked_up - appended < 100_000 / 50_000


# --- segments that cannot be read -------------------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path):
    """A segment that held one row."""
    with record_in(tmp_path) as record:
        record.append(call("a"))
    (segment,) = segments(tmp_path)
    segment.write_bytes(segment.read_bytes()[:-9])
    return segment


def test_what_cannot_be_read_now_stops_the_work_and_stays(tmp_path):
    with record_in(tmp_path) as record:
        record.append(call("a"))
    (segment,) = segments(tmp_path)
    with no_free_file(), pytest.raises(StudyError, match=f"{segment}: cannot be read now"):
        record.fetch(["a"])
    assert segments(tmp_path) == [segment]
    assert record.fetch(["a"]) == {"a": call("a")}


def test_calls_of_the_version_before_are_read_and_what_they_lack_is_null(tmp_path):
    """A user has paid for them."""
    later = Call.ADDED[Call.VERSION]
    ours = tables.schema(Call)
    then = pa.schema(
        [field for field in ours if field.name not in later],
        {**ours.metadata, b"version": str(Call.VERSION - 1).encode()},
    )
    rows = [{field.name: getattr(call(key), field.name) for field in then} for key in ("a", "b")]
    parquet.write_table(pa.Table.from_pylist(rows, then), tmp_path / "1-host-1-a.parquet")
    with record_in(tmp_path) as record:
        record.append(call("c"))
        assert record.missing(["a", "b", "c", "d"]) == {"d"}
    assert record_in(tmp_path).fetch("abc") == {key: call(key) for key in "abc"}
    assert record_in(tmp_path).forget(lambda row: row.key == "a") == 1
    assert record_in(tmp_path).fetch("abc") == {key: call(key) for key in "bc"}


def test_rows_of_another_version_stop_the_work_and_stay(tmp_path, monkeypatch):
    with record_in(tmp_path) as record:
        record.append(call("a"))
    (segment,) = segments(tmp_path)
    monkeypatch.setattr(Call, "VERSION", Call.VERSION + 1)
    with pytest.raises(StudyError, match=f"{segment}: is a table of Call version {Call.VERSION - 1}"):
        record_in(tmp_path)
    assert segments(tmp_path) == [segment]


def test_a_damaged_segment_that_another_sets_aside_before_it_is_read_is_missing(tmp_path, damaged, monkeypatch):
    listed = Record._segments

    def overtaken(self):
        found = listed(self)
        monkeypatch.undo()
        assert record_in(tmp_path).missing(["a"]) == {"a"}
        return found

    monkeypatch.setattr(Record, "_segments", overtaken)
    assert record_in(tmp_path).missing(["a"]) == {"a"}
    assert [path.name for path in tmp_path.iterdir()] == [f"{damaged.name}.damaged"]


def test_a_damaged_segment_that_another_sets_aside_after_it_was_read_is_missing(tmp_path, damaged, monkeypatch):
    def overtaken(path):
        files.set_aside(path)
        return files.set_aside(path)

    monkeypatch.setattr("prefdelta.store.record.set_aside", overtaken)
    assert record_in(tmp_path).missing(["a"]) == {"a"}
    assert [path.name for path in tmp_path.iterdir()] == [f"{damaged.name}.damaged"]


# --- forgetting -------------------------------------------------------------------------------------------------------


def test_forgotten_rows_are_gone_and_the_others_stay(tmp_path):
    with record_in(tmp_path, flush_rows=2) as record:
        for key in "abcdef":
            record.append(call(key))
    assert record_in(tmp_path).forget(lambda row: row.key in "abc") == 3
    assert sorted(row.key for row in rows(tmp_path)) == ["d", "e", "f"]


def test_segments_without_a_forgotten_row_are_left_as_they_are(tmp_path):
    with record_in(tmp_path, flush_rows=2) as record:
        for key in "abcd":
            record.append(call(key))
    before = {path.name: path.stat().st_mtime_ns for path in segments(tmp_path)}
    record_in(tmp_path).forget(lambda row: row.key == "a")
    after = {path.name: path.stat().st_mtime_ns for path in segments(tmp_path)}
    assert len(set(before.items()) & set(after.items())) == 1


def test_a_kill_while_forgetting_loses_no_row_that_stays(tmp_path, monkeypatch):
    with record_in(tmp_path) as record:
        for key in "abc":
            record.append(call(key))

    def killed(path, missing_ok=False):
        if path.suffix == ".parquet":
            raise SystemExit

    monkeypatch.setattr(type(tmp_path), "unlink", killed)
    with pytest.raises(SystemExit):
        record_in(tmp_path).forget(lambda row: row.key == "a")
    monkeypatch.undo()
    assert record_in(tmp_path).missing("bc") == set()
    record_in(tmp_path).forget(lambda row: row.key == "a")
    assert record_in(tmp_path).missing("abc") == {"a"}


# --- signals ----------------------------------------------------------------------------------------------------------

HELD = """
import ctypes, sys, time
from pathlib import Path
from prefdelta.system.processes import stop_on_signals
from prefdelta.store.record import Record
from prefdelta.records.call import Call
stop_on_signals()
with Record(Path(sys.argv[1]), Call, flush_seconds=600) as record:
    record.append(Call("a", "a", 0, "x", "stop", 1, None, None, 0.1, 1.0, "host"))
    print("ready", flush=True)
    {held}
"""


# A mutex that is locked twice holds the thread for ever, without Python's lock: as a long matrix product would.
IN_C = """libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)"""


@pytest.mark.parametrize(
    ("held", "at_least"), [pytest.param("time.sleep(60)", 0.0, id="in Python"), pytest.param(IN_C, 3.0, id="in C")]
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_flushes_and_ends_the_process_within_5_seconds(tmp_path, held, at_least, number):
    process = subprocess.Popen(
        [sys.executable, "-c", HELD.format(held=held), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    sent = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=20) == 128 + number
    assert at_least <= time.monotonic() - sent < 5
    assert [row.key for row in rows(tmp_path)] == ["a"]


IN_A_FLUSH = """from prefdelta.store import tables
    write = tables.write
    def stopped(*given):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        return write(*given)
    tables.write = stopped"""


def test_a_signal_in_the_middle_of_the_last_flush_does_not_disturb_it(tmp_path):
    script = HELD.format(held=IN_A_FLUSH).replace("import ctypes,", "import ctypes, os, signal,")
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == 143
    assert [row.key for row in rows(tmp_path)] == ["a"]


def test_a_second_signal_does_not_disturb_the_flush(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HELD.format(held="time.sleep(60)"), str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    for _ in range(20):
        os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert "Traceback" not in process.stderr.read()
    assert [row.key for row in rows(tmp_path)] == ["a"]


# --- full disk --------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_with_path_and_bytes_and_keeps_what_was_there(tmp_path, monkeypatch):
    with record_in(tmp_path) as record:
        record.append(call("a"))

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    record = record_in(tmp_path)
    record.append(replace(call("b"), text="y" * 1000))
    with pytest.raises(StudyError, match=rf"{tmp_path}/.*No space left on device. [\d,]+ bytes are needed"):
        record.flush()
    monkeypatch.undo()
    assert rows(tmp_path) == [call("a")]
    record.flush()  # there is room again: nothing was lost
    assert [row.key for row in rows(tmp_path)] == ["a", "b"]


def test_one_who_only_looks_leaves_a_damaged_segment_where_it_is(tmp_path):
    with record_in(tmp_path) as record:
        record.append(call("a"))
    (segment,) = segments(tmp_path)
    segment.write_bytes(b"damaged")
    looking = record_in(tmp_path, only_look=True)
    assert looking.missing(["a"]) == {"a"}
    assert looking.fetch(["a"]) == {}
    assert segments(tmp_path) == [segment]
    assert record_in(tmp_path).missing(["a"]) == {"a"}
    assert segments(tmp_path) == []
