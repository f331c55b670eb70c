"""Loaded by every Python of a run of benchmarks/bookkeeping_cost.py: times the bookkeeping, or leaves it out.

BOOKKEEPING=timed    everything as it is; each process adds a line with its seconds of bookkeeping to $BOOKKEEPING_LOG:
                     wall time in the main thread, which waits for it, and CPU time in the background, where it does not
BOOKKEEPING=without  no segments on disk, no flushing to disk, no claims, no manifests held against files, no snapshots
"""

import atexit
import json
import os
import sys
import threading
import time
from collections import Counter
from functools import wraps
from pathlib import Path

_seconds: Counter[str] = Counter()
_inside = threading.local()


def _timed(owner: object, name: str) -> None:
    """Count the time inside a function; a timed function that another one calls counts once, as part of that."""
    function = getattr(owner, name)

    @wraps(function)
    def timed(*given, **named):
        if getattr(_inside, "depth", 0):
            return function(*given, **named)
        _inside.depth = 1
        in_main = threading.current_thread() is threading.main_thread()
        clock = time.perf_counter if in_main else time.thread_time
        started = clock()
        try:
            return function(*given, **named)
        finally:
            _inside.depth = 0
            _seconds[f"{getattr(owner, '__name__', owner)}.{name}"] += clock() - started

    setattr(owner, name, timed)


def _report() -> None:
    words = [word for word in sys.argv if "prefdelta" in word or "snakemake" in word]
    line = json.dumps({"process": words[:1], "seconds": dict(_seconds)})
    with Path(os.environ["BOOKKEEPING_LOG"]).open("a") as log:  # one short write: lines of several processes do not mix
        log.write(line + "\n")


def _time_it() -> None:
    from prefdelta.core.asking import requests
    from prefdelta.store import checkpoints, manifests, ownership, record, snapshots, staging
    from prefdelta.system import files
    from prefdelta.workflow import runs, source

    for owner, names in (
        (record.Record, ("__init__", "missing", "fetch", "append", "flush")),
        (requests.Request, ("key",)),
        (ownership.Ownership, ("__init__", "check", "release")),
        (staging.Staging, ("__init__", "publish", "remove")),
        (snapshots.Snapshots, ("take_newest", "seal")),
        (manifests, ("check",)),
        (checkpoints, ("open_pointer", "write_pointer")),
        (source, ("digest",)),
        (runs, ("begin",)),
        (files, ("sha256_of", "sync")),
    ):
        for name in names:
            _timed(owner, name)
    atexit.register(_report)


def _leave_it_out() -> None:
    from prefdelta.store import manifests, ownership, record, snapshots
    from prefdelta.system import files

    class InMemory(record.Record[record.R]):
        def __init__(self, folder, row_type, *_):
            self._rows = {}

        def missing(self, keys):
            return {key for key in keys if key not in self._rows}

        def fetch(self, keys):
            return {key: self._rows[key] for key in keys if key in self._rows}

        def append(self, row):
            self._rows.setdefault(row.key, row)

        def flush(self):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    def take_nothing(self, record, path):
        self.predecessor = None

    record.Record = InMemory
    files.sync = lambda path: None
    manifests.check = lambda paths: {}
    ownership.Ownership.__init__ = take_nothing
    ownership.Ownership.check = ownership.Ownership.release = lambda self: None
    snapshots.Snapshots.due = lambda self: False


if os.environ.get("BOOKKEEPING") == "timed":
    _time_it()
elif os.environ.get("BOOKKEEPING") == "without":
    _leave_it_out()
