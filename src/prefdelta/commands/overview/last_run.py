"""The last run in a study's results: does it go on, has it ended, was it killed. Read-only, without a lock."""

from calendar import timegm
from dataclasses import dataclass
from pathlib import Path
from time import strptime

from prefdelta.commands.snakemake_command import command_line, snakemake_command
from prefdelta.workflow import run_file
from prefdelta.workflow.run_file import WorkflowRun


@dataclass(frozen=True, slots=True)
class LastRun:
    """The content of results/<study>/run.json, and whether its process is alive."""

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
    run = run_file.read(results)
    if run and run.before and run.is_alive() is False:  # what a killed command was to restore
        run = WorkflowRun.parse(run.before)
    if run is None or not run.started:  # it is being written, or was when it was killed
        return None
    return LastRun(run.id, run.host, run.pid, run.started, run.command, run.ended, run.is_alive())


def command_to_go_on(run: LastRun | None, configfile: Path | None) -> str:
    """The command line of the last run; if it is not known, or not of Snakemake, one that runs the study."""
    words = run.command.split() if run else []
    if words and Path(words[0]).name == "snakemake":
        return command_line(words[1:])
    return snakemake_command(configfile)
