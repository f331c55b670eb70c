"""The content of `prefdelta status` as data: counts by stage and generator, each job, and the time left."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from prefdelta.commands.overview.job_status import STATES, JobStatus, StudyStatus
from prefdelta.commands.overview.last_run import LastRun
from prefdelta.commands.overview.signals import ASKING
from prefdelta.core import layout
from prefdelta.core.stage_names import STAGES
from prefdelta.scheduler.slurm import SlurmJob
from prefdelta.study.study import Study
from prefdelta.system.events import Report

PER_GENERATOR = ("generate", "grade", "judge")
LAST_LINES = 8  # shown of the log of a job that failed
# Why a job failed, was stopped or is stale -> its meaning, and what to do besides repeating the command.
ADVICE = {
    "error": "The message says what was found and what to do.",
    "defect": "A defect of the program: report it with these lines.",
    "out_of_memory": "Out of memory; the log says which, and what to do.",
    "OUT_OF_MEMORY": "Out of the memory it asked SLURM for. A retry asks for more; or raise compute.{stage}.mem_mb.",
    "TIMEOUT": "Its time was up. A retry asks for more, and goes on from the record; or raise compute.{stage}.runtime.",
    "DEADLINE": "Its deadline passed before it could end.",
    "NODE_FAIL": "Its node died.",
    "BOOT_FAIL": "Its node did not start.",
    "CANCELLED": "Cancelled: by the run as it was stopped, by scancel, or by the site.",
    "PREEMPTED": "A job of higher priority took its place.",
    "FAILED": "SLURM says no more than that it failed, and its log does not say why. SLURM's own log may.",
    "killed": "Killed without warning: out of memory, kill -9, or the machine went down.",
    **dict.fromkeys(ASKING, "Stopped by a signal: by the run as it was stopped, or by the site."),
    "SIGKILL": "Killed without warning by SIGKILL: out of memory, kill -9, or the site.",
    **dict.fromkeys(
        ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE"),
        "A crash in compiled code. Its log has the stacks of its threads: if it comes again, report it with them.",
    ),
    "stopped": "Its log ends without an error: it was stopped by a signal, or killed.",
    "other_settings": "It was made with other settings.",
    "other_source": "It was made by other source.",
    "other_texts": "It was made with other texts: a rubric, a template or another file that people edit.",
    "other_inputs": "What it was made from is stale, or was made anew since.",
    "unknown": "SLURM does not know this job any more, and no log says how it ended.",
}


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Jobs that are counted together."""

    stage: str
    name: str | None  # None: the whole stage
    jobs: int
    states: dict[str, int]  # without states that no job has
    rows: int  # sum over the jobs that are done
    failures: dict[str, int]  # rows with a failure, by reason
    not_selected: int  # among `rows`

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


@dataclass(frozen=True, slots=True)
class SlurmLine:
    """A job's last submission."""

    id: str
    state: str | None  # None: SLURM has forgotten it, or could not be asked
    elapsed: str | None
    limit: str | None
    nodes: str | None
    reason: str | None
    log: str
    submitted_at: float
    last_lines: list[str]  # of SLURM's log; only if a job failed or stopped and its own log is empty


@dataclass(frozen=True, slots=True)
class JobLine:
    stage: str
    name: str
    state: str
    why: str | None
    advice: str | None
    rows: int | None
    failures: dict[str, int]
    seconds: float | None  # run time, if the job is finished
    log: str
    log_written: float | None  # seconds since the epoch
    progress: Report | None  # the last report of its last attempt
    last_lines: list[str]  # of its log, if it failed or was stopped
    pid: int | None
    slurm: SlurmLine | None


@dataclass(frozen=True, slots=True)
class Left:
    """The time left, roughly: for each job, the time that it reports, else the mean of its stage's finished jobs."""

    job_seconds: float  # for all jobs left, without the stages in `unknown`
    at_once: int  # jobs that run now
    seconds: float | None  # at that many jobs at once; None if none runs
    unknown: list[str]  # stages with no finished job that computed anything


@dataclass(frozen=True, slots=True)
class Summary:
    study: str
    results: str
    at: float  # seconds since the epoch
    run: LastRun | None
    run_state: str | None
    slurm_problem: str | None
    total: JobCounts
    stages: list[JobCounts]
    groups: list[JobCounts]  # jobs of train and evaluate by policy, and by recipe or group of benchmarks
    generators: list[JobCounts]  # by generator, for each of PER_GENERATOR
    left: Left
    jobs: list[JobLine]
    others: list[SlurmJob]  # jobs of this study in SLURM's queue that belong to none of `jobs`


def summarise(study: Study, status: StudyStatus) -> Summary:
    stages = [_group(stage, None, [job for job in status.jobs if job.stage == stage]) for stage in STAGES]
    groups: dict[tuple[str, str], list[JobStatus]] = {}
    for job in status.jobs:
        if job.stage in ("train", "evaluate"):
            groups.setdefault((job.stage, _group_of(study, job)), []).append(job)
    return Summary(
        study=study.config.study,
        results=study.results,
        at=status.at,
        run=status.run,
        run_state=status.run.state if status.run else None,
        slurm_problem=status.slurm_problem,
        total=_group("all", None, status.jobs),
        stages=[group for group in stages if group.jobs],
        groups=[_group(stage, name, jobs) for (stage, name), jobs in groups.items()],
        generators=[
            _group(stage, generator, [job for job in status.jobs if job.name.split("/")[:2] == [stage, generator]])
            for generator in study.generators
            for stage in PER_GENERATOR
        ],
        left=_left(status.jobs, {name for name in study.generators if study.config.generator(name).shards > 1}),
        jobs=[_job_line(job) for job in status.jobs],
        others=status.others,
    )


def _group_of(study: Study, job: JobStatus) -> str:
    """Policy and recipe of a batch of train; policy and group of benchmarks of a batch of evaluate."""
    axes = layout.place_of(job.outputs[0], study.config.study).axes
    return f"{axes['policy']} {axes['recipe' if job.stage == 'train' else 'group']}"


def _group(stage: str, name: str | None, jobs: Sequence[JobStatus]) -> JobCounts:
    states = Counter(job.state for job in jobs)
    failures: Counter[str] = Counter()
    counted = list(_once(jobs))
    for job in counted:
        failures.update(job.manifest.get("failures", {}))
    rows = sum(job.manifest.get("rows", 0) for job in counted)
    by_count = dict(sorted(failures.items(), key=lambda item: (-item[1], item[0])))
    not_selected = sum(job.manifest.get("not_selected", 0) for job in counted)
    there: dict[str, int] = {state: states[state] for state in STATES if states[state]}
    return JobCounts(stage, name, len(jobs), there, rows, by_count, not_selected)


def _once(jobs: Iterable[JobStatus]) -> Iterable[JobStatus]:
    """Finished jobs, without the shards of a generator whose traces are merged already."""
    done = {job.name: job for job in jobs if job.state == "done"}
    for name, job in done.items():
        if not (_is_shard(job) and name.rpartition("/")[0] in done):
            yield job


def _is_shard(job: JobStatus) -> bool:
    return job.stage == "generate" and job.name.count("/") == 2


def _left(jobs: Iterable[JobStatus], sharded: set[str]) -> Left:
    took: dict[str, list[float]] = {}
    left: list[JobStatus] = []
    for job in jobs:
        if job.stage == "generate" and job.name.removeprefix("generate/") in sharded:
            continue  # it takes all from the record, which takes minutes
        run = job.manifest.get("run", {})
        if job.state != "done":
            left.append(job)
        if any(run.get("computed", {}).values()) or (run and not run.get("computed")):
            took.setdefault(job.stage, []).append(float(run["seconds"]))
    seconds, unknown = 0.0, dict[str, None]()
    for job in left:
        report = job.log.report if job.log and job.state == "running" else None
        if report and report.seconds_left is not None:
            seconds += report.seconds_left
        elif job.stage in took:
            seconds += mean(took[job.stage])
        else:
            unknown[job.stage] = None
    at_once = sum(job.state == "running" for job in left)
    return Left(round(seconds, 1), at_once, round(seconds / at_once, 1) if at_once else None, list(unknown))


def _job_line(job: JobStatus) -> JobLine:
    ended = job.state in ("failed", "stopped")
    report = job.log.report if job.log and job.state in ("running", "stopped", "failed") else None
    lines = job.log.last(LAST_LINES) if job.log and ended else []
    other = f"{'A signal' if (job.why or '').startswith('SIG') else 'A state of SLURM'}; its documentation explains it."
    advice = ADVICE.get(job.why, other) if job.why else None
    rows: int | None = job.manifest.get("rows")
    return JobLine(
        stage=job.stage,
        name=job.name,
        state=job.state,
        why=job.why,
        advice=advice.format(stage=job.stage) if advice else None,
        rows=rows,
        failures=dict(job.manifest.get("failures", {})),
        seconds=job.manifest.get("run", {}).get("seconds"),
        log=job.log_path,
        log_written=job.log.written if job.log else None,
        progress=report,
        last_lines=lines,
        pid=job.pid,
        slurm=_slurm(job, ended and not lines),
    )


def _slurm(job: JobStatus, with_lines: bool) -> SlurmLine | None:
    if job.submission is None or job.state in ("done", "missing"):
        return None
    known, submitted = job.submission.known, job.submission.submitted
    log = job.submission.log if with_lines else None
    names = ("state", "elapsed", "limit", "nodes", "reason")
    state: dict[str, Any] = {name: getattr(known, name) if known else None for name in names}
    return SlurmLine(
        id=submitted.id,
        **state,
        log=submitted.log,
        submitted_at=submitted.at,
        last_lines=log.last(LAST_LINES) if log else [],
    )
