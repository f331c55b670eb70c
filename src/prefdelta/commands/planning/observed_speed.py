"""Measures of finished jobs: tokens of a reply, tokens per second, seconds; or else the config's assumptions."""

from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from prefdelta.commands.planning.amounts import UNKNOWN, Amount, Basis
from prefdelta.commands.planning.last_manifest import read_manifest
from prefdelta.commands.planning.models import model_of
from prefdelta.core.compute import Compute
from prefdelta.core.stage_names import STAGES
from prefdelta.study.study import Study

WORKED = ("calls", "traces")  # counts of the jobs that ask or score


@dataclass(frozen=True, slots=True)
class _Finished:
    """A job that is done."""

    name: str  # as PlannedJob.name
    size: str | None  # size of its model
    manifest: dict[str, Any]

    @property
    def computed(self) -> dict[str, int]:
        return dict(self.manifest.get("run", {}).get("computed", {}))

    @property
    def seconds(self) -> float:
        """How long it held its GPUs or cores, without the hours that a training may wait for its own SLURM job."""
        run = self.manifest["run"]
        return float(run.get("training_seconds", run["seconds"]))

    @property
    def worked(self) -> bool:
        """Whether its run time measures speed: it made updates, or computed at least half of its requests."""
        needed = self.manifest["details"].get("requests", self.manifest["rows"])  # a verdict makes several rows
        done = max(self.computed.get(name, 0) for name in WORKED)
        return self.computed.get("tokens", 0) > 0 and ("updates" in self.computed or 2 * done >= needed)


class ObservedSpeed:
    """Means over the finished jobs of a study."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._finished: dict[str, list[_Finished]] = defaultdict(list)
        for stage in STAGES:
            for job in study.jobs(stage):
                if manifest := read_manifest(Path(job.manifest)):
                    name = Path(job.manifest).relative_to(study.results).as_posix().partition(".manifest")[0]
                    size = self.size(model_of(study, stage, name))
                    self._finished[stage].append(_Finished(name, size, manifest))

    def size(self, model: str | None) -> str | None:
        return self._study.config.models[model].size if model else None

    def manifest(self, name: str) -> dict[str, Any]:
        """The manifest of a finished job; nothing if it is not finished."""
        stage = name.partition("/")[0]
        return next((job.manifest for job in self._finished[stage] if job.name == name), {})

    def tokens_per_call(self, stage: str, model: str | None, *names: str) -> Amount:
        """Tokens of one reply, or of one trace that is read.

        names: patterns of the jobs whose replies count, the most alike first. Next come all jobs of the stage, then the
        config's assumption. Unknown if there is none of these.
        """
        for name in (*names, f"{stage}/*"):
            if mean := self._mean_tokens(name):
                return mean
        compute = self._study.config.compute.get(stage, Compute())
        assumed = self._study.asked_for(stage, model).tokens_per_call or compute.tokens_per_call
        return Amount(assumed, Basis.ASSUMED) if assumed else UNKNOWN

    def _mean_tokens(self, name: str) -> Amount | None:
        tokens = rows = 0.0
        for job in self._finished[name.partition("/")[0]]:
            mean = job.manifest.get("details", {}).get("mean_tokens") if fnmatchcase(job.name, name) else None
            if mean is not None:
                tokens += mean * job.manifest["rows"]
                rows += job.manifest["rows"]
        return Amount(tokens / rows, Basis.MEASURED) if rows else None

    def tokens_per_s(self, stage: str, model: str | None) -> Amount:
        """Tokens per second of one job, on all its GPUs together, its start included. Unknown without a source."""
        jobs = [job for job in self._finished[stage] if job.size == self.size(model) and job.worked]
        if seconds := sum(job.seconds for job in jobs):
            return Amount(sum(job.computed["tokens"] for job in jobs) / seconds, Basis.MEASURED)
        assumed = self._study.asked_for(stage, model).tokens_per_s
        return Amount(assumed, Basis.ASSUMED) if assumed else UNKNOWN

    def seconds(self, stage: str) -> Amount:
        """Mean seconds of one job, including work taken from the record. Unknown if none is finished."""
        times = [job.seconds for job in self._finished[stage]]
        return Amount(sum(times) / len(times), Basis.MEASURED) if times else UNKNOWN
