"""Events that a job reports to programs: JSON lines in a file beside its log, one per event.

    {"event": "start", "at": 1767323045.1, "run": "head-71-0123abcd", "attempt": 1}
    {"event": "progress", "at": ..., "what": "judge g3", "done": 1500, "of": 2000, "unit": "requests",
     "per_second": 12.5, "seconds_left": 40.0, "attempt": 1}
    {"event": "end", "at": ..., "how": "error", "message": "30% of rows failed", "rows": null, "failed": null,
     "attempt": 1}

`at` is in seconds since the epoch. An attempt begins the file anew. Only the process that began it writes to it. A line
that cannot be written (full disk, read-only folder) is left out: no event ends a job.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

How = Literal["done", "error", "defect", "out_of_memory", "stopped"]
READ_BYTES = 1 << 16  # bytes read of a file's end: more than the longest line
MESSAGE_CHARACTERS = 4000  # of a message, the most that a line holds


@dataclass(frozen=True, slots=True)
class Report:
    """How far a piece of work is."""

    what: str
    done: int
    of: int
    unit: str
    per_second: float
    seconds_left: float | None  # None: not known, because nothing is done yet


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended: `done`, or why it did not."""

    how: How
    message: str  # the last line of its log, or the name of the signal that stopped it
    rows: int | None = None  # if it is done
    failed: int | None = None  # rows with a failure


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a job's last attempt."""

    attempt: int  # number of the attempt in its run, from 1
    report: Report | None  # the last one
    ending: Ending | None  # None: it goes on, or ended without saying so


_file: "_File | None" = None  # the events file of this process
_forward: Callable[[Report], object] | None = None  # used if this process has no file


def begin(path: Path, run: str) -> None:
    """Write this process's events to a new file. run: the id of the workflow's run that started the job."""
    global _file
    attempt = 1
    with suppress(OSError, ValueError, LookupError, TypeError):
        with path.open(encoding="utf-8") as file:
            before = json.loads(file.readline())
        attempt = before["attempt"] + 1 if run and before["run"] == run else 1
    _file = _File(path, attempt)
    _file.write("start", {"run": run})


def forward_to(receive: Callable[[Report], object]) -> None:
    """Have a function pass this process's reports on to the process that began the file."""
    global _forward
    _forward = receive


def report(progress: Report) -> None:
    """Report how far the work is. Nothing happens in a process that has no file and forwards nothing."""
    if _file is not None:
        _file.write("progress", asdict(progress))
    elif _forward is not None:
        _forward(progress)


def end(ending: Ending) -> None:
    """Report how the job ended. The last call counts."""
    if _file is not None:
        _file.write("end", asdict(replace(ending, message=ending.message[:MESSAGE_CHARACTERS])))


def read(path: Path) -> Events | None:
    """The events of a job's last attempt; None if there are none."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            file.seek(max(0, os.fstat(file.fileno()).st_size - READ_BYTES))
            last = file.read()
    except OSError:
        return None
    attempt, progress, ending = 0, None, None
    for event in _parsed([first, *last.splitlines()]):
        with suppress(LookupError, TypeError):  # an event of another version
            kind, attempt = event.pop("event"), event.pop("attempt")
            del event["at"]
            if kind == "progress":
                progress = Report(**event)
            elif kind == "end":
                ending = Ending(**event)
    return Events(attempt, progress, ending) if attempt else None


def _parsed(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    """The whole lines, parsed. A line that a kill or a full disk has cut is skipped."""
    for line in lines:
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


class _File:
    """A file of events, open as long as the process lives."""

    def __init__(self, path: Path, attempt: int) -> None:
        self._attempt, self._writer = attempt, os.getpid()
        self._descriptor: int | None = None
        self._is_cut = False  # whether the last line was not written as a whole
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            # A new file, because an earlier instance of the job that is still alive keeps writing to the old one.
            path.unlink(missing_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        if self._descriptor is None or os.getpid() != self._writer:  # a forked process has a copy of this object
            return
        line = json.dumps({"event": event, "at": round(time.time(), 3), **fields, "attempt": self._attempt})
        data = f"{chr(10) if self._is_cut else ''}{line}\n".encode()
        try:
            self._is_cut = os.write(self._descriptor, data) < len(data)
        except OSError:
            self._is_cut = True
