"""The status of each job of a study, from its files, its log, the claims of processes and SLURM. Read-only.

A job is done if its outputs exist, and stale if they were made with other settings, source, texts or inputs.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from prefdelta.commands.overview.last_run import LastRun, last_run
from prefdelta.commands.overview.logs import Log, read_log
from prefdelta.commands.overview.signals import ASKING, crash_in, death_in, death_in_run_logs
from prefdelta.commands.overview.stale import stale_jobs
from prefdelta.core import layout
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import STAGES
from prefdelta.scheduler import slurm
from prefdelta.scheduler.slurm import SlurmJob, Submitted
from prefdelta.store.ownership import Owner, owner_file, owners
from prefdelta.study.job import StudyJob
from prefdelta.study.study import Study

State = Literal["done", "stale", "running", "queued", "failed", "stopped", "missing"]
STATES: tuple[State, ...] = get_args(State)
MADE_SECONDS = 10.0  # from the writing of a manifest to the last line of the job's log
STARTING_SECONDS = 60.0  # from a job's start, when its log is created, until its first line
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT")
_ENDED_BY_OTHERS = ("CANCELLED", "PREEMPTED")


@dataclass(frozen=True, slots=True)
class Submission:
    """A job's last submission to SLURM."""

    submitted: Submitted
    known: SlurmJob | None  # None if SLURM has forgotten it, or could not be asked

    @property
    def log(self) -> Log | None:
        """SLURM's own log of it."""
        return read_log(Path(self.submitted.log)) if self.submitted.log else None


@dataclass(frozen=True, slots=True)
class JobStatus:
    stage: str
    name: str  # path of its files in results/<study>/, without an ending
    state: State
    why: str | None  # why it is stale, failed or stopped: a key of `summary.ADVICE`, or a state of SLURM
    outputs: list[str]
    manifest: Mapping[str, Any]  # empty unless the job is done or stale
    log_path: str
    log: Log | None  # None if the job is done
    submission: Submission | None
    pid: int | None  # the process at work on this machine


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """The status of a study at one moment."""

    at: float  # seconds since the epoch
    run: LastRun | None
    jobs: list[JobStatus]
    others: list[SlurmJob]  # jobs of this study in SLURM's queue that belong to none of `jobs`
    slurm_problem: str | None  # why SLURM's queue is not known, if the study uses SLURM


@dataclass(frozen=True, slots=True)
class _JobFiles:
    """A job's files."""

    stage: str
    job: StudyJob
    done: bool
    manifest: Mapping[str, Any]
    log: Log | None
    made_at: float  # when the manifest was written; 0 without one

    @property
    def has_old_log(self) -> bool:
        """Whether the job that wrote the manifest wrote the log, too, but no events: an old version had none."""
        return self.log is not None and self.log.events is None and self.log.written < self.made_at + MADE_SECONDS


def read_status(study: Study) -> StudyStatus:
    """The status of all jobs."""
    results, at = Path(study.results), time.time()
    run = last_run(results)
    queue, problem = _queue(results)
    submitted = _last_submitted(study)
    claims = {owner.file.name: owner for owner in owners(Path(study.record))}
    all_files = [_read_files(stage, job) for stage in STAGES for job in study.jobs(stage)]
    # Claims are read twice: the claim of a job that starts or ends meanwhile is found before or after.
    claims = {owner.file.name: owner for owner in owners(Path(study.record))} | claims
    stale = stale_jobs(study, {files.job.manifest: files.manifest for files in all_files if files.done})
    jobs = []
    for files in (_as_stale(files) if files.job.manifest in stale else files for files in all_files):
        last = submitted.get(files.job.manifest)
        if last and run and last.run != run.id and files.log and files.log.written >= run.started_at:
            last = None  # the last run started this job itself
        submission = Submission(last, (queue or {}).get(last.id)) if last else None
        claim = claims.get(owner_file(Path(study.record), Path(files.job.manifest)).name)
        state, why = _state(files, submission, claim, run, at, queue is not None)
        if state == "missing" and files.job.manifest in stale:
            state, why = "stale", stale[files.job.manifest]
        pid = claim.instance.pid if claim and claim.instance and claim.is_alive else None
        jobs.append(
            JobStatus(
                files.stage,
                files.job.name,
                state,
                why,
                files.job.outputs,
                files.manifest,
                files.job.log,
                files.log,
                submission,
                pid,
            )
        )
    ours = {job.submission.submitted.id for job in jobs if job.submission}
    others = [job for job in (queue or {}).values() if not job.has_ended and job.id not in ours]
    return StudyStatus(at, run, jobs, others, problem)


def _queue(results: Path) -> tuple[dict[str, SlurmJob] | None, str | None]:
    """The study's jobs that SLURM knows, by id; or why they are not known."""
    if not slurm.was_used(results):
        return {}, None
    if not slurm.is_here():
        return None, "this machine has no squeue: which jobs wait in SLURM's queue cannot be seen from here"
    try:
        return {job.id: job for job in slurm.jobs(results)}, None
    except StudyError as error:
        return None, str(error)


def _last_submitted(study: Study) -> dict[str, Submitted]:
    """Manifest -> the last job that was submitted to make it."""
    manifests = {batch.rule: batch.manifest for batch in (*study.train_batches, *study.evaluate_batches)}
    for batch in study.train_batches:  # a job of train may ask SLURM itself for one that trains an arm
        manifests |= {str(arm): batch.manifest for arm in batch.arms}
    last = {}
    for job in slurm.submitted(Path(study.results)):
        rule, _, wildcards = job.target.partition(":")
        if rule in layout.JOBS:
            values = dict(part.partition("=")[::2] for part in wildcards.split(",") if part)
            try:
                last[f"{study.results}/{layout.manifest(layout.job_name(rule, **values))}"] = job
            except KeyError:  # submitted by a version of this workflow with other wildcards
                continue
        elif rule in manifests:
            last[manifests[rule]] = job
    return last


def _read_files(stage: str, job: StudyJob) -> _JobFiles:
    try:
        manifest = dict(json.loads(Path(job.manifest).read_text(encoding="utf-8")))
        made_at = Path(job.manifest).stat().st_mtime
    except (OSError, ValueError, TypeError):
        manifest, made_at = {}, 0.0
    done = bool(manifest) and all(Path(path).exists() for path in job.outputs)
    return _JobFiles(stage, job, done, manifest if done else {}, None if done else read_log(Path(job.log)), made_at)


def _as_stale(files: _JobFiles) -> _JobFiles:
    """A job whose outputs exist but are stale. Treated as not done; it may already be running."""
    return replace(files, done=False, log=read_log(Path(files.job.log)))


def _state(
    files: _JobFiles,
    submission: Submission | None,
    claim: Owner | None,
    run: LastRun | None,
    at: float,
    queue_known: bool,
) -> tuple[State, str | None]:
    """The state of a job, and why it failed or stopped."""
    log, known = files.log, submission.known if submission else None
    goes_on = run is not None and run.alive is not False  # as far as this machine knows
    if files.done:
        return "done", None
    if known and not known.has_ended:
        return ("queued" if known.state in _WAITING else "running"), None
    if claim and claim.is_alive:
        return "running", None
    if claim and claim.is_elsewhere and (not queue_known if submission else goes_on):
        return "running", None  # on another machine
    if goes_on and not submission and log and not log.lines and at - log.written < STARTING_SECONDS:
        return "running", None
    times = [log.written if log else 0, submission.submitted.at if submission else 0]
    if run and run.alive and max(times) < run.started_at:
        return "missing", None  # its log and submission are of an earlier run
    if submission and log and log.written < submission.submitted.at:
        log = None  # the log of an earlier submission
    return _ended(files, log, submission, claim, queue_known)


def _ended(
    files: _JobFiles, log: Log | None, submission: Submission | None, claim: Owner | None, queue_known: bool
) -> tuple[State, str | None]:
    """The state of a job that is not done (outputs missing or stale) and that no process is working on."""
    ending = log.ending if log else None
    state = submission.known.state if submission and submission.known else None
    if (ending.how == "done" if ending else files.has_old_log) or (state == "COMPLETED" and not ending and not claim):
        return "missing", None  # its outputs were removed since
    if submission and state in (None, "FAILED") and queue_known and (slurm_log := submission.log):
        state = slurm_log.slurm_state or state
    if state in _ENDED_BY_OTHERS:
        return "stopped", state
    if state not in (None, "FAILED", "COMPLETED"):
        return "failed", state
    if ending and ending.how != "stopped":
        return "failed", ending.how
    if signal := _signal(files, log, submission):
        return ("stopped" if signal in ASKING else "failed"), signal
    if claim:
        return "failed", "killed"  # a job that is told to stop releases its claim
    if submission and queue_known:
        return "failed", state or "unknown"
    return ("stopped", "stopped") if log else ("missing", None)


def _signal(files: _JobFiles, log: Log | None, submission: Submission | None) -> str | None:
    """The signal that ended a job, by the job itself, Snakemake or Python; None if none of them names one."""
    if log and log.ending and log.ending.how == "stopped":
        return log.ending.message
    name = None
    if submission:
        name = death_in(slurm_log.lines, files.job.manifest) if (slurm_log := submission.log) else None
    elif log:
        name = death_in_run_logs(files.job.manifest, log.written)
    return name or (crash_in(log.lines) if log else None)
