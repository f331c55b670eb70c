"""What a run shows, event by event: on a terminal with a bottom line, and in plain lines elsewhere."""

import os
from collections import Counter, deque
from contextlib import suppress
from logging import ERROR, INFO, WARNING, LogRecord
from pathlib import Path
from threading import RLock
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from prefdelta.system.progress import SHOWN
from snakemake_logger_plugin_prefdelta import texts
from snakemake_logger_plugin_prefdelta.outputs import Output, PlainOutput, TerminalOutput
from snakemake_logger_plugin_prefdelta.run_state import RunState, ShownJob, jobs_by_stage

PROGRESS_EVERY = 30.0  # seconds between two lines of progress where there is no bottom line
# What Snakemake says of a run's beginning and end in other words than these lines; its log file has it.
_NOISE = ("Building DAG of jobs", "Assuming unrestricted shared filesystem", "host: ", "Elapsed time: ")
_TOLD = ("Nothing to be done", "Will exit after finishing")  # during a run, of what is neither warning nor error
_STOPPING = "Terminating processes on user request"
_AT_THE_END = ("--keep-incomplete mode is set", "At least one job did not complete")  # also after Ctrl-C
_LOG = "Complete log(s): "
_KEPT = 20  # exceptions


class Display:
    """Turns Snakemake's events into lines. Snakemake calls it from one thread; the bottom line is drawn in another."""

    def __init__(self, stream: TextIO, settings: Any) -> None:
        """settings: Snakemake's OutputSettings."""
        self._quiet = {one.name.lower() for one in settings.quiet or ()}
        self._dry: bool = settings.dryrun
        self._lock = RLock()
        self._state = RunState()
        self._begun = self._stopped = self._closed = False
        self._causes: Counter[tuple[str, str]] = Counter()  # of a dry run
        self._configfiles: list[Any] = []
        self._said: float | None = None  # when progress was last said
        self._drawn = ""  # the last bottom line
        self._log = ""  # of Snakemake
        self._exceptions: deque[str] = deque(maxlen=_KEPT)  # of commands that failed, which Snakemake tells first
        self._report: Path | None = None  # the results in which this run made the report
        # With `progress`, Snakemake tells of no job that has finished.
        self._quietly = bool(self._quiet & {"all", "progress"}) and not self._dry
        on_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        bottom = None if self._dry or self._quietly else self._bottom_line
        self._output: Output = TerminalOutput(stream, settings.nocolor, bottom) if on_terminal else PlainOutput(stream)
        if on_terminal and not self._dry:
            os.environ[SHOWN] = "yes"  # jobs then leave the terminal alone

    def show(self, record: LogRecord) -> None:
        with self._lock:
            event = getattr(record, "event", None)
            if event is None or event == LogEvent.ERROR:
                self._message(record)
            else:
                self._event(event, vars(record), record.created)

    def leave(self) -> None:
        """Take the bottom line away."""
        self._output.close()

    def close(self) -> None:
        """Say how the run ended."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.leave()
            if self._dry:
                self._say_plan()
            elif self._state.began is not None and not self._quietly:
                self._say_end()

    # --- events ---------------------------------------------------------------------------------------------------

    def _event(self, event: str, fields: dict[str, Any], at: float) -> None:
        match event:
            case LogEvent.WORKFLOW_STARTED:
                self._begun = True
                self._configfiles = list(fields.get("configfiles") or [])
            case LogEvent.RUN_INFO:
                self._plan(fields["stats"])
            case LogEvent.JOB_INFO if self._dry:
                if job := ShownJob.of(fields, at):
                    self._causes[job.stage, texts.cause(fields["reason"])] += 1
            case LogEvent.JOB_INFO:
                if job := ShownJob.of(fields, at):
                    self._state.try_again(job.name)
                    self._state.start(fields["jobid"], job)
            case LogEvent.JOB_FINISHED if not self._dry:
                self._finish(fields["job_id"], at)
            case LogEvent.JOB_ERROR:
                self._fail(fields)
            case LogEvent.GROUP_ERROR:
                self._say(texts.printable(str(fields.get("msg"))), "bold red")

    def _plan(self, stats: dict[str, int]) -> None:
        if self._state.jobs:  # a dry run says it twice
            return
        self._state.plan(stats)
        if not self._dry:
            self._say(texts.jobs(self._state.jobs))
            self._output.begin()

    def _finish(self, number: int, at: float) -> None:
        job = self._state.finish(number, at)
        if job is None:
            return
        if job.name == "report/index":
            self._report = job.results
        if not self._quiet & {"rules", "all"}:
            self._output.line(texts.finished(job, at - job.began), "", head=len(job.stage) + 1)
        self._say_progress(at)

    def _fail(self, fields: dict[str, Any]) -> None:
        if self._stopped:  # it was stopped with the run
            self._state.running.pop(fields["jobid"], None)
            return
        job = self._state.fail(fields["jobid"])
        if job is None:
            self._say(f"{fields['rule_name']} failed: {texts.printable(str(fields.get('rule_msg')))}", "bold red")
            return
        head, *rest = texts.failure(job, fields, self._exceptions)
        self._output.line(head, "bold red")
        for line in rest:
            self._output.line(line, "")

    def _message(self, record: LogRecord) -> None:
        said = str(record.msg or "")
        text = said.strip()
        if not text or record.levelno < INFO or text.startswith(_NOISE):
            return
        if text.startswith(_STOPPING):
            self._stopped = True
            self._output.line(f"stopping; {texts.GOES_ON}", "bold")
        elif text.startswith(_LOG):
            self._log = text.removeprefix(_LOG)
        elif record.levelno >= WARNING:
            self._problem(record, text)
        elif not self._begun or text.startswith(_TOLD):
            self._say(texts.printable(said))

    def _problem(self, record: LogRecord, text: str) -> None:
        """A warning or an error of Snakemake's."""
        if getattr(record, "exception", "") == "RuleException" and "CalledProcessError in file" in text:
            self._exceptions.append(text)  # with the job's whole command; the job's own failure comes next
        elif not (self._stopped and any(end in text for end in _AT_THE_END)):
            self._output.line(texts.printable(text), "red" if record.levelno >= ERROR else "yellow")

    # --- lines ----------------------------------------------------------------------------------------------------

    def _say(self, line: str, style: str = "") -> None:
        if not self._quietly:
            self._output.line(line, style)

    def _say_progress(self, at: float) -> None:
        """Say how far the run is, where there is no bottom line that does."""
        if self._output.has_bottom:
            return
        if self._said is None:  # the first finished job
            self._said = at
        elif at - self._said >= PROGRESS_EVERY:
            self._output.line(texts.progress(self._state, at), "")
            self._said = at

    def _bottom_line(self, now: float) -> str:
        """Called by the thread that draws, which holds the terminal's lock: it must not wait for ours."""
        if self._lock.acquire(blocking=False):
            try:
                self._drawn = texts.progress(self._state, now) if self._state.jobs else ""
            finally:
                self._lock.release()
        return self._drawn

    def _say_plan(self) -> None:
        counts = self._state.jobs or jobs_by_stage(Counter(stage for stage, _ in self._causes))
        if counts:
            for line in texts.planned(self._causes, counts, texts.plan_command(self._configfiles)):
                self._say(line)

    def _say_end(self) -> None:
        state = self._state
        failed = f", {len(state.failed):,} failed" if state.failed else ""
        failed += ", stopped" if self._stopped else ""
        log = f"; Snakemake's log: {_shortened(self._log)}" if self._log else ""
        self._say(f"{state.done.total():,} of {state.total:,} jobs done{failed}{log}")
        for name in state.failed[:5]:
            self._say(f"  failed: {name}")
        if state.failed and not self._stopped:
            self._say("what is done is kept: the same command does the rest")
        if self._report is not None and not self._stopped:
            for line in texts.verdicts(self._report):
                self._say(line)


def _shortened(path: str) -> str:
    with suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return path
