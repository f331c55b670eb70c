"""The end of a job's log: how far the job is, how it ended, and its last lines for a person."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from prefdelta.system.progress import Told, last_told
from prefdelta.workflow.command_line import is_by_hand
from prefdelta.workflow.job import DONE, ERROR, NO_MEMORY

READ = 1 << 20  # bytes of a log that are read, from its end: some 18 hours of lines of progress
# What SLURM writes into its own log of a job, strongest first -> the state that this is.
_SLURM_SAYS = {
    "TIMEOUT": "DUE TO TIME LIMIT",
    "OUT_OF_MEMORY": r"oom[-_ ]kill|Out Of Memory|exceeded memory limit",
    "PREEMPTED": "DUE TO PREEMPTION",
    "NODE_FAIL": "DUE TO NODE FAILURE",
    "CANCELLED": r"CANCELLED AT \S+ \*\*\*",
}


@dataclass(frozen=True, slots=True)
class Log:
    written: float  # seconds since the epoch
    lines: list[str]  # as they are, without the job's command line and empty ones

    @property
    def told(self) -> Told | None:
        """Its last line of progress."""
        return last_told(self.lines)

    @property
    def ending(self) -> str | None:
        """How the job says it ended: done, error, out_of_memory, defect; None if it does not say."""
        if self.lines and self.lines[-1].startswith(DONE):
            return "done"
        for start, ending in ((NO_MEMORY, "out_of_memory"), (ERROR, "error"), ("Traceback ", "defect")):
            if any(line.startswith(start) for line in self.lines):
                return ending
        return None

    @property
    def slurm_state(self) -> str | None:
        """The state in which SLURM ended a job, if this is its own log of it, and it says so."""
        return next(
            (state for state, says in _SLURM_SAYS.items() if any(re.search(says, line) for line in self.lines)), None
        )

    def last(self, count: int) -> list[str]:
        """The last lines; what would control a terminal is shown as its escape."""
        return [_shown(line) for line in self.lines[-count:]]


def read_log(path: Path) -> Log | None:
    """A log's end, or None if there is no log."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            file.seek(max(0, about.st_size - READ))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    return Log(about.st_mtime, [line for line in text.split("\n") if line.strip() and not is_by_hand(line)])


def _shown(line: str) -> str:
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line.rstrip().replace("\t", "    "))
