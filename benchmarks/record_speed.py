"""Rows per second into the record, and keys per second looked up in it, against SQLite doing the same.

Rows are calls whose replies have 300 characters. Both are written in portions that are on disk (fsync) before the next
begins, in turns, so that a noisy machine is noisy for both. A look-up is what a job does at its start: open what is
there, and say which of its keys are missing. SQLite has no place on the network file systems of clusters; the ratio
says what the record costs beside it.

python benchmarks/record_speed.py [--rows 1000000] [--folder DIR]      from the repository root, some minutes

On two cores, with a test run on one of them:
{"appended_per_s": 81754, "appended_per_cpu_s": 109588, "sqlite_appended_per_s": 16903, "append_ratio": 4.84,
"looked_up_s": 1.87, "looked_up_cpu_s": 1.82, "sqlite_looked_up_s": 16.83, "look_up_ratio": 9.01, "mb": 232,
"sqlite_mb": 597, "rows": 1000000}
"""

import argparse
import hashlib
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from prefdelta.core.ids import digest
from prefdelta.records.call import Call
from prefdelta.store.record import FLUSH_ROWS, Record

T = TypeVar("T")
COLUMNS = [field.name for field in fields(Call)]
VALUES = attrgetter(*COLUMNS)
TEXT_BYTES = 150  # of each reply, written as twice as many characters: packing halves them, and no more


def key_of(index: int) -> str:
    return digest(index)


def call(index: int) -> Call:
    key = key_of(index)
    text = hashlib.shake_256(key.encode()).hexdigest(TEXT_BYTES)
    return Call(key, key, 0, text, "stop", 80, None, "some-judge", 0.5, 1_700_000_000.0 + index, "node7")


def timed(work: Callable[..., T], *given: object) -> tuple[float, float, T]:
    """(seconds, those of the processor, what came of it)."""
    started, started_cpu = time.perf_counter(), time.process_time()
    found = work(*given)
    return time.perf_counter() - started, time.process_time() - started_cpu, found


def append(record: Record[Call], rows: list[Call]) -> None:
    for row in rows:
        record.append(row)
    record.flush()


def insert(database: sqlite3.Connection, rows: list[Call]) -> None:
    with database:
        database.executemany(f"INSERT OR IGNORE INTO calls VALUES ({', '.join('?' * len(COLUMNS))})", map(VALUES, rows))


def missing_in_record(partition: Path, keys: list[str]) -> set[str]:
    return Record(partition, Call).missing(keys)


def missing_in_sqlite(path: Path, keys: list[str]) -> set[str]:
    with closing(sqlite3.connect(path)) as database:
        ask = "SELECT 1 FROM calls WHERE key = ?"
        return {key for key in keys if database.execute(ask, (key,)).fetchone() is None}


def measured(folder: Path, count: int) -> dict[str, float]:
    partition, path = folder / "record", folder / "calls.sqlite"
    record = Record(partition, Call)
    append(Record(folder / "warm", Call), [call(0)])  # imports
    appending = appending_cpu = inserting = 0.0
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE calls ({', '.join(COLUMNS)}, PRIMARY KEY (key))")
        for start in range(0, count, FLUSH_ROWS):
            rows = [call(index) for index in range(start, min(start + FLUSH_ROWS, count))]
            wall, cpu, _ = timed(append, record, rows)
            appending, appending_cpu = appending + wall, appending_cpu + cpu
            inserting += timed(insert, database, rows)[0]
    keys = [key_of(index) for index in range(count)]
    looking, looking_cpu, missing = timed(missing_in_record, partition, keys)
    asking, _, missing_too = timed(missing_in_sqlite, path, keys)
    if missing or missing_too:
        sys.exit(f"not found again: {len(missing)} keys in the record, {len(missing_too)} in SQLite")
    return {
        "appended_per_s": round(count / appending),
        "appended_per_cpu_s": round(count / appending_cpu),
        "sqlite_appended_per_s": round(count / inserting),
        "append_ratio": round(inserting / appending, 2),
        "looked_up_s": round(looking, 2),
        "looked_up_cpu_s": round(looking_cpu, 2),
        "sqlite_looked_up_s": round(asking, 2),
        "look_up_ratio": round(asking / looking, 2),
        "mb": round(sum(segment.stat().st_size for segment in partition.iterdir()) / 1e6),
        "sqlite_mb": round(path.stat().st_size / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to write, and to remove it again: a network file system")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        result = measured(Path(scratch), arguments.rows)
    sys.stdout.write(json.dumps({**result, "rows": arguments.rows}) + "\n")


if __name__ == "__main__":
    main()
