"""The signal that ended a job's process, from Snakemake's log or the job's own. Read-only."""

import re
import signal
from collections.abc import Iterable
from pathlib import Path

from prefdelta.commands.overview.logs import read_log

LOGS = Path(".snakemake/log")
READ_LOGS = 5  # the newest of Snakemake's
# The line that Python's faulthandler writes as a process crashes -> the signal.
_CRASHES = {
    "Segmentation fault": "SIGSEGV",
    "Bus error": "SIGBUS",
    "Aborted": "SIGABRT",
    "Illegal instruction": "SIGILL",
    "Floating-point exception": "SIGFPE",
    "Floating point exception": "SIGFPE",
}
_CRASH = re.compile(rf"Fatal Python error: ({'|'.join(_CRASHES)})\b")
# An error of subprocess, which Snakemake quotes with the command. A shell gives 128 + the signal's number.
_DIED = re.compile(r"(?:died with <Signals\.(SIG[A-Z0-9]+)|returned non-zero exit status (1[2-9][0-9])\.)")
ASKING = ("SIGTERM", "SIGINT", "SIGHUP")  # they ask a process to end


def crash_in(lines: Iterable[str]) -> str | None:
    """The signal of the first crash that a job's log shows."""
    return next((_CRASHES[match[1]] for line in lines if (match := _CRASH.match(line))), None)


def death_in(lines: Iterable[str], manifest: str) -> str | None:
    """The signal that killed the job that writes `manifest`, from Snakemake's log; the last one if several."""
    died = [match for line in lines if f"manifest={manifest} " in f"{line} " and (match := _DIED.search(line))]
    return _name(died[-1]) if died else None


def _name(match: re.Match[str]) -> str | None:
    if match[1]:
        return match[1]
    try:
        return signal.Signals(int(match[2]) - 128).name
    except ValueError:
        return None


def death_in_run_logs(manifest: str, since: float) -> str | None:
    """The same, from Snakemake's newest logs here that were written to after `since` (seconds since the epoch)."""
    logs = sorted(LOGS.glob("*.snakemake.log"), key=lambda path: path.name)[-READ_LOGS:]
    for path in reversed(logs):
        if (log := read_log(path)) and log.written >= since and (died := death_in(log.lines, manifest)):
            return died
    return None
