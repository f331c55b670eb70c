"""The display, event by event."""

import io
import logging
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_prefdelta import display, outputs
from snakemake_logger_plugin_prefdelta.display import Display

SETTINGS = SimpleNamespace(quiet=None, dryrun=False, nocolor=False)


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm")


def event(kind: str | None, message: str = "", level: int = logging.INFO, at: float = 0.0, **fields: Any) -> Any:
    record = logging.makeLogRecord({"msg": message, "levelno": level, "event": kind, **fields})
    record.created = at
    return record


def jobs(shown: Display, count: int, seconds: float) -> None:
    """So many jobs, one after the other, of so many seconds each."""
    shown.show(event(LogEvent.RUN_INFO, stats={"pair": count, "total": count}))
    for number in range(count):
        began = number * seconds
        shown.show(
            event(LogEvent.JOB_INFO, at=began, jobid=number, log=[f"results/toy/logs/pair/{number}.log"], reason="")
        )
        shown.show(event(LogEvent.JOB_FINISHED, at=began + seconds, job_id=number))
    shown.close()


def test_progress_is_said_every_30_seconds_at_most_where_there_is_no_bottom_line() -> None:
    stream = Stream(terminal=False)
    jobs(Display(stream, SETTINGS), 30, 4.0)  # two minutes
    told = [line for line in stream.getvalue().splitlines() if " of 30 jobs, " in line]
    # The first job ends after 4 s; then after 34 s or a little later, and so on: jobs 9, 17 and 25.
    assert [line.split(", ")[0] for line in told] == ["9 of 30 jobs", "17 of 30 jobs", "25 of 30 jobs"]
    assert told[0] == "9 of 30 jobs, 15/min, 1 min 24 s left"


def test_a_bottom_line_that_is_drawn_while_jobs_end_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "PER_SECOND", 2000.0)
    stream = Stream(terminal=True)
    shown = Display(stream, SETTINGS)
    work = Thread(target=jobs, args=(shown, 2000, 0.1), daemon=True)
    work.start()
    work.join(30)
    assert not work.is_alive()
    assert stream.getvalue().count("pair/") >= 2000


def test_warnings_and_errors_of_snakemakes_are_shown_and_its_chatter_is_not() -> None:
    stream = Stream(terminal=False)
    shown = Display(stream, SETTINGS)
    shown.show(event(None, "Building DAG of jobs..."))
    shown.show(event(None, "Unlocked working directory."))
    shown.show(event(LogEvent.WORKFLOW_STARTED, "Workflow has started!"))
    shown.show(event(None, "Select jobs to execute..."))
    shown.show(event(None, "disk \x1b[5mfull\n", logging.WARNING))
    shown.show(event(LogEvent.ERROR, "WorkflowError:\nno", logging.ERROR, exception="WorkflowError"))
    shown.close()
    assert stream.getvalue() == "Unlocked working directory.\ndisk \\x1b[5mfull\nWorkflowError:\nno\n"


def test_what_was_stopped_by_ctrl_c_has_not_failed() -> None:
    stream = Stream(terminal=False)
    shown = Display(stream, SETTINGS)
    shown.show(event(LogEvent.RUN_INFO, stats={"pair": 1, "total": 1}))
    shown.show(event(LogEvent.JOB_INFO, jobid=1, log=["results/toy/logs/pair/a.log"], reason=""))
    shown.show(event(None, "Terminating processes on user request, this might take some time."))
    shown.show(event(LogEvent.JOB_ERROR, level=logging.ERROR, jobid=1, rule_name="pair"))
    shown.show(event(None, "--keep-incomplete mode is set, so ...", logging.WARNING))
    shown.close()
    assert stream.getvalue().splitlines()[1:] == [
        "stopping; the same command goes on where it stopped",
        "0 of 1 jobs done, stopped",
    ]


def test_jobs_on_a_terminal_are_told_to_leave_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(display.SHOWN, "")
    Display(Stream(terminal=False), SETTINGS)
    assert display.os.environ[display.SHOWN] == ""
    Display(Stream(terminal=True), SETTINGS)
    assert display.os.environ[display.SHOWN] == "yes"
