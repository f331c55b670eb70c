"""The last run in a study's results: does it go on, has it ended, was it killed. Only looks, and takes no lock."""

import json
from calendar import timegm
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from time import strptime
from typing import Any

from prefdelta.commands import shared
from prefdelta.workflow import runs


@dataclass(frozen=True, slots=True)
class LastRun:
    """What results/<study>/run.json says, and whether its process is there."""

    id: str
    host: str
    pid: int
    started: str
    command: str
    ended: str | None
    alive: bool | None  # None: it has not ended, and is on a machine whose processes this one cannot see

    @property
    def started_at(self) -> float:
        """Seconds since the epoch."""
        return timegm(strptime(self.started, "%Y-%m-%d %H:%M:%S UTC"))

    @property
    def state(self) -> str:
        if self.ended is not None:
            return "ended"
        return {True: "running", False: "killed", None: "not to be seen from here"}[self.alive]


def last_run(results: Path) -> LastRun | None:
    """The last run, or the command that is at work instead (`prefdelta gc` and the like); None if there was none."""
    try:
        about: dict[str, Any] = json.loads((results / runs.FILE).read_text(encoding="utf-8"))
        found = _read(about)
        if found.alive is False and about.get("before"):  # what a killed command had to put back
            found = _read(json.loads(about["before"]))
    except (FileNotFoundError, ValueError, TypeError, KeyError):  # it is being written, or was when it was killed
        return None
    return found


def _read(about: dict[str, Any]) -> LastRun:
    fields = {name: about[name] for name in ("id", "host", "pid", "started", "command", "ended")}
    if about["ended"] is not None:
        alive: bool | None = False
    else:
        alive = runs.is_process(about["pid"], about["command"]) if about["host"] == gethostname() else None
    return LastRun(**fields, alive=alive)


def command_to_go_on(run: LastRun | None, configfile: Path | None) -> str:
    """The command line of the last run; where none is known, or it was no run of Snakemake, one that runs the study."""
    words = run.command.split() if run else []
    if words and Path(words[0]).name == "snakemake":
        return shared.command_line(words[1:])
    return shared.snakemake_command(configfile)
