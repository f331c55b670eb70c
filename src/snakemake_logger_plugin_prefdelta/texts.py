"""The words of the display: a line per finished job, the bottom line, failures, a dry run, verdicts."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefdelta.commands.overview.logs import read_log
from prefdelta.commands.overview.signals import death_in
from prefdelta.commands.overview.summary import ADVICE
from prefdelta.core import layout
from prefdelta.core.durations import duration
from prefdelta.core.stage_names import STAGES
from prefdelta.system import events
from snakemake_logger_plugin_prefdelta.run_state import RunState, ShownJob

LAST_LINES = 8  # shown of the log of a job that failed
NAME = 44  # characters of the column of names
NAMED = 2  # jobs that run now, by name
_SHORT = 5.0  # seconds left that say nothing beside stages that are not measured yet
_PATHS_SHOWN = 2  # changed files, by name
GOES_ON = "the same command goes on where it stopped"


def finished(job: ShownJob, seconds: float) -> str:
    """A finished job: its name, how long it took, its rows. seconds: since it was started or submitted."""
    found = events.read(layout.events_of(job.log)) if _is_of(job) else None
    rows = ""
    if found and found.ending and found.ending.how == "done":
        rows = found.ending.message.removeprefix("done: ").removesuffix(", 0 of them failed")
        rows = "1 row" if rows == "1 rows" else rows
    return f"{job.name:<{NAME}} {duration(seconds):>10}   {rows}".rstrip()


def _is_of(job: ShownJob) -> bool:
    """Whether the events file beside the log is of this start of the job."""
    with suppress(OSError):
        return layout.events_of(job.log).stat().st_mtime >= job.began - 1  # file systems round
    return False


def progress(state: RunState, now: float) -> str:
    """How far the run is: the bottom line."""
    stage = _stage_now(state)
    parts = [f"{stage + '  ' if stage else ''}{state.done.total():,} of {state.total:,} jobs"]
    if state.failed:
        parts.append(f"{len(state.failed):,} failed")
    if (rate := state.rate(now)) is not None:
        parts.append(f"{rate * 60:.0f}/min" if rate * 60 >= 1 else f"{rate * 3600:.1f}/h")
    if state.total > state.done.total() + len(state.failed):
        parts.append(_time_left(*state.seconds_left(now)))
    if state.running:
        parts.append(f"now {_now(list(state.running.values()), now)}")
    return ", ".join(parts)


def _stage_now(state: RunState) -> str:
    at_work = Counter(job.stage for job in state.running.values())
    return max(at_work, key=lambda stage: (at_work[stage], -STAGES.index(stage))) if at_work else ""


def _now(jobs: Sequence[ShownJob], now: float) -> str:
    shown = []
    for job in jobs[:NAMED]:
        job.look(now)
        shown.append(job.name if job.percent is None else f"{job.name} {job.percent}%")
    more = len(jobs) - len(shown)
    return f"{', '.join(shown)}{f' and {more:,} more' if more else ''}"


def _time_left(seconds: float | None, unknown: Sequence[str]) -> str:
    """unknown: the stages of which no job has been measured."""
    if seconds is None or (unknown and seconds < _SHORT):
        return "time left not known yet"
    if not unknown:
        return f"{duration(seconds)} left"
    which = ", ".join(unknown) if len(unknown) <= NAMED else f"{len(unknown)} stages"
    return f"over {duration(seconds)} left ({which} not measured yet)"


def failure(job: ShownJob, fields: Mapping[str, Any], exceptions: Iterable[str]) -> list[str]:
    """A failed job: its reason, where its log is, and the log's last lines.

    fields: of Snakemake's event. exceptions: what Snakemake has told of commands that failed, with the command.
    """
    log = read_log(job.log)
    told = printable(str(fields.get("rule_msg") or "")).strip()  # of an executor, e.g. a state of SLURM
    death = death_in((line for text in exceptions for line in text.splitlines()), str(job.manifest))
    reasons = [_reason(log.ending) if log and log.ending else ADVICE.get(death or "", death or ""), told]
    first, *more = [*filter(None, reasons), ""]
    lines = [f"{job.name} failed: {first or 'it ended without saying why'}", *(f"  {line}" for line in more if line)]
    lines.append(f"  log: {job.log}{'' if log else ' (there is none)'}")
    lines += [f"  see also: {path}" for path in (fields.get("log") or [])[1:]]
    return [*lines, *(f"  | {line}" for line in (log.last(LAST_LINES) if log else []))]


def _reason(ending: events.Ending) -> str:
    first, *_ = ending.message.splitlines() or [""]
    return f"stopped by {first}" if ending.how == "stopped" else printable(first.removeprefix("error: "))


def printable(text: str) -> str:
    """Text without signs that control a terminal: they are shown."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text.replace("\t", "    ")
    )


def jobs(counts: Mapping[str, int]) -> str:
    """The jobs of a run, by stage."""
    number = sum(counts.values())
    return f"{number:,} job{'s' * (number != 1)}: {', '.join(f'{stage} {count:,}' for stage, count in counts.items())}"


# --- a dry run --------------------------------------------------------------------------------------------------------


def cause(reason: str) -> str:
    """Why a job would run, in Snakemake's words, without the names of files that the run itself makes."""
    parts = []
    for part in filter(None, map(str.strip, reason.split("; "))):
        what, colon, paths = part.partition(": ")
        what = what[:1].lower() + what[1:]
        edited = [path for path in paths.split(", ") if path and not path.startswith("results/")]
        if colon and what == "updated input files" and edited:
            more = f" and {len(edited) - _PATHS_SHOWN} more" if len(edited) > _PATHS_SHOWN else ""
            what = f"{what}: {', '.join(edited[:_PATHS_SHOWN])}{more}"
        parts.append(what)
    inherited = "input files updated by another job"
    own = [part for part in dict.fromkeys(parts) if part != inherited]
    return "; ".join(own) or (inherited if parts else "snakemake gives no reason")


def planned(causes: Mapping[tuple[str, str], int], counts: Mapping[str, int], plan: str) -> list[str]:
    """What a dry run says. causes: (stage, cause) -> jobs. plan: the command that says more."""
    lines = [f"{sum(counts.values()):,} jobs would run:"]
    width = max(map(len, STAGES))
    for stage, count in counts.items():
        its = {why: number for (other, why), number in causes.items() if other == stage} or {"": count}
        lines += [f"  {stage:<{width}} {number:>6,}  {why}".rstrip() for why, number in sorted(its.items())]
    return [
        *lines,
        f"why, to the file and key that changed, and what it costs: {plan}",
        "every job by itself, with its command: the same command with -p",
    ]


def program(name: str) -> str:
    """A program of this environment, as it can be called from the working directory."""
    path = Path(sys.executable).with_name(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name


def plan_command(configfiles: Iterable[Any]) -> str:
    """The command that plans the same study. configfiles: those that the run was given."""
    words = [program("prefdelta"), "plan"]
    for path in map(Path, configfiles):
        path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        if path != Path("config.yaml"):
            words += ["--configfile", str(path)]
    return " ".join(words)


# --- the end ----------------------------------------------------------------------------------------------------------


def verdicts(results: Path) -> list[str]:
    """The verdicts of the claims, a line each, and where the report is; nothing if there is no report."""
    page, browser = results / "report/index.html", results / "browse/index.html"
    lines: list[str] = []
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        details = json.loads((results / layout.manifest("report/index")).read_text(encoding="utf-8"))["details"]
        shown = [(_first_sentence(its.get("title") or name), its["verdict"]) for name, its in details["claims"].items()]
        width = max((len(verdict) for _, verdict in shown), default=0)
        lines += [printable(f"{verdict:<{min(width, 40)}}  {title}") for title, verdict in shown]
    lines += [f"the report: {page}"] if page.is_file() else []
    return lines + ([f"the pairs: {browser}"] if browser.is_file() else [])


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.;])\s", text.strip(), maxsplit=1)[0].rstrip(".;")
