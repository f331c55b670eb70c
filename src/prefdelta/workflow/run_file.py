"""The run file, results/<study>/run.json: which process works in the results, or was the last to do so.

Its lock says whether that process still runs: a lock of the operating system, released when the process ends.
"""

import fcntl
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import gethostname
from typing import Self, TextIO

from prefdelta.system.instance import INSTANCE, command_of, is_alive
from prefdelta.system.log import say

FILE = "run.json"
VARIABLE = "PREFDELTA_RUN"  # in the environment of all processes of a run: the run's id
_TRIES, _PAUSE = 5, 0.1  # tries to get the lock, and seconds between two: `current` holds it for a moment


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """A run of Snakemake in a study's results, or a command that nothing may run beside (`prefdelta gc` and others)."""

    id: str  # its main process: an `Instance`, as text
    host: str
    pid: int
    started: str  # in UTC
    command: str
    ended: str | None = None  # in UTC; None while it goes on, and if it was killed
    before: str | None = None  # for a command: the file's content before it, which it will restore

    def __str__(self) -> str:
        if self == UNKNOWN:
            return "its process has just begun, or is about to end"
        fields = {"host": self.host, "pid": self.pid, "started": self.started, "command": self.command}
        return ", ".join(f"{name} {value}" for name, value in fields.items() if value)

    @classmethod
    def of_this_process(cls, before: str | None = None) -> Self:
        """A run whose main process is this one, begun now."""
        return cls(str(INSTANCE), gethostname(), os.getpid(), _now(), " ".join(sys.argv), before=before)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The run in the file's text; None if the file is new, or was cut by a kill."""
        try:
            content = dict(json.loads(text))
            return cls(
                id=str(content.get("id", "")),
                host=str(content["host"]),
                pid=int(content.get("pid", 0)),
                started=str(content.get("started", "")),
                command=str(content.get("command", "")),
                ended=content.get("ended"),
                before=content.get("before"),
            )
        except (ValueError, TypeError, KeyError):
            return None

    def text(self) -> str:
        """The file's text for this run."""
        content = {
            "id": self.id,
            "host": self.host,
            "pid": self.pid,
            "started": self.started,
            "command": self.command,
            "ended": self.ended,
        }
        return json.dumps(content if self.before is None else {**content, "before": self.before}, indent=2) + "\n"

    def ended_now(self) -> Self:
        """The same run, ended."""
        return replace(self, ended=_now())

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, on this machine."""
        return self.host == gethostname()

    def is_alive(self) -> bool | None:
        """Whether it has not ended and its process runs; None (not known) on another machine.

        A process counts only with the same arguments, because process ids are reused.
        """
        if self.ended is not None:
            return False
        if not self.is_here:
            return None
        words, arguments = command_of(self.pid), self.command.partition(" ")[2].strip()
        return is_alive(self.pid) and bool(words) and " ".join(words).strip().endswith(arguments)


UNKNOWN = WorkflowRun("", "", 0, "", "")  # a process holds the lock, and the file does not say which


def read(results: Path) -> WorkflowRun | None:
    """The run in the run file; None if there is no file, or a kill has cut it."""
    try:
        return WorkflowRun.parse((results / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def current(results: Path) -> WorkflowRun | None:
    """The run, or the command, that goes on in `results`; None if this machine knows of none."""
    try:
        with (results / FILE).open("r", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return WorkflowRun.parse(file.read()) or UNKNOWN
            except OSError:  # some network file systems have no locks
                run = WorkflowRun.parse(file.read())
                return run if run and run.is_alive() else None
    except FileNotFoundError:
        pass
    return None


class LockedRunFile:
    """The run file, open and locked by this process until `close`, or else until its end."""

    def __init__(self, results: Path) -> None:
        """Raises BlockingIOError if another process holds the lock, and OSError if the file cannot be opened."""
        path = results / FILE
        self._file: TextIO = path.open("a+", encoding="utf-8")
        try:
            self._lock()
        except BlockingIOError:
            self.close()
            raise
        except OSError as error:  # some network file systems have no locks
            say(f"warning: {path} cannot be locked ({error}): make sure yourself that nothing else works here.")

    def read(self) -> str:
        self._file.seek(0)
        return self._file.read()

    def write(self, text: str) -> None:
        # In place: a renamed file would be another one, without the lock.
        self._file.seek(0)
        self._file.truncate()
        self._file.write(text)
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _lock(self) -> None:
        for _ in range(_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(_PAUSE)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
