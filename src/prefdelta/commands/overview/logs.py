"""A job's log and the events beside it: how far the job is, how it ended, and the last lines for a person."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.layout import events_of
from prefdelta.system import events
from prefdelta.system.events import Ending, Events, Report
from prefdelta.workflow.command_line import is_by_hand

READ = 1 << 20  # bytes of a log that are read from its end, and from its beginning
# SLURM's messages in its own log of a job, strongest first -> the state that each means.
_SLURM_SAYS = {
    "TIMEOUT": "DUE TO TIME LIMIT",
    "OUT_OF_MEMORY": r"oom[-_ ]kill|Out Of Memory|exceeded memory limit",
    "PREEMPTED": "DUE TO PREEMPTION",
    "NODE_FAIL": "DUE TO NODE FAILURE",
    "CANCELLED": r"CANCELLED AT \S+ \*\*\*",
}


@dataclass(frozen=True, slots=True)
class Log:
    """A job's log and events of its last attempt."""

    written: float  # seconds since the epoch
    lines: list[str]  # the last ones as they are, without the job's command line and empty ones
    events: Events | None = None  # None: the attempt ended before its first event, or is not a stage's job

    @property
    def report(self) -> Report | None:
        """The last report of progress."""
        return self.events.report if self.events else None

    @property
    def ending(self) -> Ending | None:
        """How the job ended by its own account; None if it gave none."""
        if self.events is not None:
            return self.events.ending
        # Python itself could not begin the stage: a module is missing, for example.
        tracebacks = [line for line in self.lines if line.startswith("Traceback ")]
        return Ending("defect", self.lines[-1]) if tracebacks else None

    @property
    def slurm_state(self) -> str | None:
        """The state in which SLURM ended a job, if this is SLURM's log of the job and names one."""
        return next(
            (state for state, says in _SLURM_SAYS.items() if any(re.search(says, line) for line in self.lines)), None
        )

    def last(self, count: int) -> list[str]:
        """The last lines; characters that control a terminal are escaped."""
        return [_printable(line) for line in self.lines[-count:]]


def read_log(path: Path) -> Log | None:
    """A log's end, with the events of the same attempt; None if there is no log."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            begins = _lines(file.read(READ))
            file.seek(max(0, about.st_size - READ))
            lines = _lines(file.read())
    except OSError:
        return None
    # A shell empties the log as an attempt starts. Events begin with the command line: without it, the existing events
    # are of an earlier attempt.
    of_attempt = events.read(events_of(path)) if any(map(is_by_hand, begins)) else None
    return Log(about.st_mtime, [line for line in lines if not is_by_hand(line)], of_attempt)


def _lines(data: bytes) -> list[str]:
    return [line for line in data.decode("utf-8", "replace").split("\n") if line.strip()]


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line.rstrip().replace("\t", "    "))
