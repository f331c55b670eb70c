"""The text of `prefdelta status`: one screen, and the failures."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size

from prefdelta.commands.overview.job_status import STATES
from prefdelta.commands.overview.summary import PER_GENERATOR, JobCounts, JobLine, Summary
from prefdelta.commands.text_table import table
from prefdelta.core.durations import duration

SHOWN = 8  # jobs of one state; --failed and --json show all
LINE_ROWS = 8  # screen rows for one line of a log: an error's one line also says what to do
_RIGHT = {"jobs", *STATES, "rows"}


def text(summary: Summary, command: str) -> str:
    """The whole screen."""
    parts = [
        _head(summary),
        _stages(summary),
        _generators(summary),
        _running(summary),
        _queued(summary),
        failures_text(summary, command, everything=False),
    ]
    return "\n\n".join(part for part in parts if part)


# --- the study --------------------------------------------------------------------------------------------------------


def _head(summary: Summary) -> str:
    states = ", ".join(f"{count} {state}" for state, count in summary.total.states.items() if state != "done")
    done = summary.total.states.get("done", 0)
    lines = [
        f"{summary.results}: {done} of {summary.total.jobs} jobs done{', ' if states else ''}{states}",
        _run(summary),
    ]
    lines += [*_stale(summary), *_left(summary)]
    if summary.slurm_problem:
        lines.append(f"note: {summary.slurm_problem}")
    return "\n".join(_wrapped(line) for line in lines)


def _stale(summary: Summary) -> list[str]:
    reasons = Counter(job.why or "?" for job in _of(summary, "stale"))
    counts = ", ".join(f"{count} by {why.replace('_', ' ')}" for why, count in reasons.most_common())
    return [f"stale: {counts}; the next run makes them anew (prefdelta plan: what that costs)"] if counts else []


def _run(summary: Summary) -> str:
    run = summary.run
    if run is None:
        return "no run yet"
    where = f"{run.command} (on {run.host}, process {run.pid}, since {run.started})"
    match summary.run_state:
        case "running":
            return f"running: {where}"
        case "ended":
            return f"ended {run.ended}: {where}"
        case "killed":
            return f"killed: the process is gone and did not say that it ended: {where}"
    return f"not ended, but whether it is alive can only be seen on {run.host}: {where}"


def _left(summary: Summary) -> list[str]:
    left = summary.left
    if summary.total.jobs == summary.total.states.get("done"):
        return []
    unknown = f"unknown for {', '.join(left.unknown)}, as none of their jobs has finished" if left.unknown else ""
    if not left.job_seconds:
        return [f"left: {unknown or 'next to nothing, by the mean times of finished jobs'}"]
    known = f"{duration(left.job_seconds)} of jobs, if one at a time"
    if left.seconds is not None:
        known = f"{duration(left.seconds)}, at {left.at_once} at once as now"
    return [f"left: roughly {known} (by the mean times of finished jobs)", *([f"  and {unknown}"] if unknown else [])]


# --- tables -----------------------------------------------------------------------------------------------------------


def _stages(summary: Summary) -> str:
    shown = [state for state in STATES if state in summary.total.states or state == "done"]
    rows = [["stage", "jobs", *shown, "rows", "failed rows"]]
    for group in summary.stages:
        rows.append(_cells(group, group.stage, shown))
        inner = [part for part in summary.groups if part.stage == group.stage]
        if len(inner) > 1 and group.states.keys() - {"missing"} and group.states.keys() != {"done"}:
            rows += [_cells(part, f"  {part.name}", shown) for part in inner]
    return _table(rows)


def _cells(group: JobCounts, name: str, shown: Iterable[str]) -> list[str]:
    counts = [f"{group.states[state]}" if state in group.states else "" for state in shown]
    failures = ", ".join(f"{count:,} {reason}" for reason, count in group.failures.items())
    rows = f"{group.rows:,}" if group.rows else ""
    if group.not_selected:
        rows = f"{group.rows - group.failed - group.not_selected:,} of {rows}"
    return [name, f"{group.jobs}", *counts, rows, failures]


def _generators(summary: Summary) -> str:
    rows = [["generator", *PER_GENERATOR, "traces", "truncated", "other failed", "ungraded", "unjudged"]]
    names = dict.fromkeys(group.name for group in summary.generators)
    inner = {}  # row -> its jobs that are neither done nor missing, in words
    for name in names:
        groups = {group.stage: group for group in summary.generators if group.name == name}
        if not any(group.states.keys() - {"missing"} for group in groups.values()):
            continue
        generate = groups["generate"]
        truncated = generate.failures.get("truncated", 0)
        inner[len(rows)] = "; ".join(
            f"{stage}: {counts}" for stage, part in groups.items() if (counts := _not_done(part))
        )
        rows.append(
            [
                str(name),
                *(f"{groups[stage].states.get('done', 0)}/{groups[stage].jobs}" for stage in PER_GENERATOR),
                f"{generate.rows:,}" if generate.rows else "",
                _share(truncated, generate.rows),
                _share(generate.failed - truncated, generate.rows),
                *(_share(groups[stage].failed, groups[stage].rows) for stage in ("grade", "judge")),
            ]
        )
    if len(rows) == 1:
        return ""
    lines = []
    for number, line in enumerate(_table(rows, right=set(rows[0][1:])).splitlines()):
        lines += [line, *(f"  {part}" for part in _wrapped(inner.get(number, ""), 2).splitlines())]
    return "\n".join(lines)


def _not_done(group: JobCounts) -> str:
    """How many jobs are in each state but `done` and `missing`, in words."""
    counts = group.states.items()
    return ", ".join(f"{count} {state}" for state, count in counts if state not in ("done", "missing"))


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else ""


def _table(rows: Sequence[Sequence[str]], right: set[str] = _RIGHT) -> str:
    """The table, within the terminal's width. right: the titles of the columns that are aligned to the right."""
    columns = {number for number, title in enumerate(rows[0]) if title in right}
    return "\n".join(map(_cut, table(rows, columns, gap=" ")))


# --- jobs -------------------------------------------------------------------------------------------------------------


def _running(summary: Summary) -> str:
    jobs = _of(summary, "running")
    jobs.sort(key=lambda job: -(job.progress.seconds_left or 0) if job.progress else 1)  # most time left first
    lines = [line for job in jobs[:SHOWN] for line in (job.name, f"  {_cut(_at_work(job, summary.at), 2)}")]
    return _section("running", lines, len(jobs) - SHOWN, "--json")


def _at_work(job: JobLine, at: float) -> str:
    parts = []
    if job.progress:
        report = job.progress
        parts.append(f"{report.done:,}/{report.of:,} {report.unit}, {report.per_second:,.1f}/s")
        if report.seconds_left:
            parts.append(f"{duration(round(report.seconds_left))} left")
    if job.log_written:
        parts.append(f"log written {duration(round(at - job.log_written))} ago")
    if job.slurm:
        on, elapsed = f" on {job.slurm.nodes}" if job.slurm.nodes else "", f" for {job.slurm.elapsed}"
        parts.append(f"SLURM {job.slurm.id}{on}{elapsed if job.slurm.elapsed else ''}")
    elif job.pid:
        parts.append(f"process {job.pid}")
    return "; ".join(parts) or "just started"


def _queued(summary: Summary) -> str:
    reasons = Counter(job.slurm.reason or "?" for job in _of(summary, "queued") if job.slurm)
    waiting = [f"{count} for {reason}" for reason, count in reasons.most_common()]
    others = [_cut(f"{job.id} {job.state} for {job.elapsed}: {job.about}", 2) for job in summary.others]
    sections = {
        "waiting in SLURM's queue": [_cut(line, 2) for line in waiting],
        "in SLURM's queue, and nobody waits for them (prefdelta stop ends them)": others,
    }
    return "\n\n".join(_section(title, lines) for title, lines in sections.items() if lines)


def failures_text(summary: Summary, command: str, everything: bool) -> str:
    """The failed and stopped jobs, with the ends of their logs. everything: show all, and say so if there are none."""
    parts = []
    for state in ("failed", "stopped"):
        jobs = sorted(_of(summary, state), key=lambda job: -(job.log_written or 0))
        shown = jobs if everything else jobs[:SHOWN]
        lines = [line for job in shown for line in _failure(job, summary.at)]
        parts.append(_section(state, lines, len(jobs) - len(shown), "--failed"))
    if any(parts):
        when = ", when this run has ended" if summary.run_state == "running" else ""
        parts.append(f"to go on{when}: {command}")
    elif everything:
        parts.append(f"{summary.results}: nothing failed")
    return "\n\n".join(part for part in parts if part)


def _failure(job: JobLine, at: float) -> list[str]:
    head = f"{job.name}: {job.why}"
    lines = [_cut(head, 2)]
    if job.slurm:
        took = f", {job.slurm.elapsed} of {job.slurm.limit}" if job.slurm.elapsed else ""
        on = f" on {job.slurm.nodes}" if job.slurm.nodes else ""
        lines += [f"  SLURM job {job.slurm.id}{on}{took}", f"  SLURM's log: {job.slurm.log or 'not known'}"]
        lines += _quoted(job.slurm.last_lines)
    written = f" (written {duration(round(at - job.log_written))} ago)" if job.log_written else " (there is none)"
    lines += [f"  log: {job.log}{written}", *_quoted(job.last_lines)]
    return [*lines, *(f"  {line}" for line in _wrapped(job.advice or "", 4).splitlines())]


def _quoted(lines: Iterable[str]) -> list[str]:
    width = get_terminal_size().columns - 6
    return [
        f"  | {part}" for line in lines for part in textwrap.wrap(line, width, max_lines=LINE_ROWS, placeholder=" …")
    ]


def _of(summary: Summary, state: str) -> list[JobLine]:
    return [job for job in summary.jobs if job.state == state]


def _section(title: str, lines: Sequence[str], more: int = 0, option: str = "") -> str:
    """more: how many jobs are left out, which `option` shows."""
    if not lines:
        return ""
    rest = [f"  and {more} more: prefdelta status {option}"] if more > 0 else []
    return "\n".join([f"{title}:", *(f"  {line}" for line in lines), *rest])


# --- words ------------------------------------------------------------------------------------------------------------


def _cut(line: str, indent: int = 0) -> str:
    width = get_terminal_size().columns - indent
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _wrapped(line: str, indent: int = 0) -> str:
    return textwrap.fill(line, get_terminal_size().columns - indent, subsequent_indent="  ")
