"""How far a run is: which jobs it has, which are done, which run now, and about how long the rest takes."""

import json
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

from prefdelta.core import layout
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import STAGES
from prefdelta.system import events

WINDOW = 300.0  # seconds over which the rate is taken
_MANIFESTS = 8  # of earlier jobs of a stage, whose mean stands for jobs that have not run here
_LOOK = 5.0  # seconds between two looks at a job's progress


@dataclass(slots=True)
class ShownJob:
    """A job that has been started, or submitted."""

    stage: str
    name: str  # as its log: judge/g4/logic
    log: Path
    results: Path
    began: float  # seconds since the epoch
    percent: int | None = None  # of its work; None: not known
    left: float | None = None  # seconds, as it reports
    looked: float = 0.0

    @property
    def manifest(self) -> Path:
        return self.results / layout.manifest(self.name)

    @classmethod
    def of(cls, fields: Mapping[str, Any], at: float) -> "ShownJob | None":
        """The job of an event of Snakemake's at a time; None for the rule `all`, which has no log."""
        for path in fields.get("log") or []:
            log = Path(path.partition(" (")[0])
            with suppress(StudyError, IndexError):
                name = layout.name_below(log, log.parts[1])
                return cls(name.partition("/")[0], name, log, Path(*log.parts[:2]), at)
        return None

    def look(self, now: float) -> None:
        """Read how far it is, every few seconds."""
        if now - self.looked < _LOOK:
            return
        self.looked = now
        path = layout.events_of(self.log)
        with suppress(OSError):
            if path.stat().st_mtime >= self.began and (found := events.read(path)) and (report := found.report):
                self.percent = 100 * report.done // max(report.of, 1)
                self.left = report.seconds_left


class RunState:
    """Counts of a run's jobs by stage. Times are in seconds since the epoch, durations in seconds."""

    def __init__(self) -> None:
        self.jobs: Counter[str] = Counter()  # stage -> jobs of the run
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []  # names
        self.running: dict[int, ShownJob] = {}  # by Snakemake's id of the job
        self.began: float | None = None  # when the first job began
        self._took: dict[str, list[float]] = {}  # stage -> durations of finished jobs
        self._finished: deque[float] = deque()  # when jobs ended, in the last WINDOW seconds
        self._before: dict[str, float | None] = {}  # stage -> mean duration, from earlier manifests
        self._results: Path | None = None

    @property
    def total(self) -> int:
        return self.jobs.total()

    def plan(self, stats: Mapping[str, int]) -> None:
        """Take the jobs of the run. stats: rule -> jobs, with `total`; a rule begins with its stage."""
        self.jobs = jobs_by_stage(stats)

    def start(self, number: int, job: ShownJob) -> None:
        if self.began is None:
            self.began = job.began
        self._results = job.results
        self.running[number] = job

    def finish(self, number: int, at: float) -> ShownJob | None:
        """Count a job as done. Returns it; None for a rule without a log."""
        job = self.running.pop(number, None)
        if job is not None:
            self.done[job.stage] += 1
            self._took.setdefault(job.stage, []).append(at - job.began)
            self._finished.append(at)
        return job

    def fail(self, number: int) -> ShownJob | None:
        """Count a job as failed, until it is tried again."""
        job = self.running.pop(number, None)
        if job is not None and job.name not in self.failed:
            self.failed.append(job.name)
        return job

    def try_again(self, name: str) -> None:
        if name in self.failed:
            self.failed.remove(name)

    def rate(self, now: float) -> float | None:
        """Finished jobs per second, lately; None before the first."""
        while self._finished and now - self._finished[0] > WINDOW:
            self._finished.popleft()
        if not self._finished or self.began is None:
            return None
        return len(self._finished) / max(min(WINDOW, now - self.began), 1.0)

    def seconds_left(self, now: float) -> tuple[float | None, list[str]]:
        """About how long the rest takes, by measured means per stage, and the stages that nothing has measured.

        The rest runs as many jobs at once as the run did so far, in the mean.
        """
        work, unknown = 0.0, []
        for stage in STAGES:
            its = [job for job in self.running.values() if job.stage == stage]
            waiting = self.jobs[stage] - self.done[stage] - len(its)
            if waiting <= 0 and not its:
                continue
            usual = self._mean(stage)
            if usual is None and (waiting > 0 or any(job.left is None for job in its)):
                unknown.append(stage)
            work += (usual or 0.0) * max(waiting, 0)
            for job in its:
                left = (usual or 0.0) - (now - job.began)
                work += max(job.left if job.left is not None else left, 0.0)
        busy = sum(map(sum, self._took.values())) + sum(now - job.began for job in self.running.values())
        if self.began is None or busy <= 0 or now <= self.began:
            return None, unknown
        return work / max(busy / (now - self.began), 0.1), unknown

    def _mean(self, stage: str) -> float | None:
        if stage in self._took:
            return mean(self._took[stage])
        if stage not in self._before:
            self._before[stage] = _mean_before(self._results, stage) if self._results else None
        return self._before[stage]


def jobs_by_stage(stats: Mapping[str, int]) -> Counter[str]:
    """Jobs per stage, in the order of the stages. stats: rule -> jobs."""
    found: Counter[str] = Counter()
    for rule, count in stats.items():
        found[rule.partition("_")[0]] += count
    return Counter({stage: found[stage] for stage in STAGES if found[stage]})


def _mean_before(results: Path, stage: str) -> float | None:
    """Mean duration of earlier jobs of a stage, by a few of their manifests: of those that computed something."""
    took: list[float] = []
    paths: Iterable[Path] = (results / stage).rglob(f"*{layout.MANIFEST}")
    with suppress(OSError):
        for path in islice(paths, _MANIFESTS):
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                run = json.loads(path.read_text(encoding="utf-8"))["run"]
                if not run.get("computed") or any(run["computed"].values()):
                    took.append(float(run["seconds"]))
    return mean(took) if took else None


def now() -> float:
    return time.time()
