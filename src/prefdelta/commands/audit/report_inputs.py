"""What the report reads, as far as it is there: commands show the report's numbers, before it is made and after."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from prefdelta.core.arms import Arm
from prefdelta.reporting.arms import read_arm
from prefdelta.reporting.manifests import FinishedJob, read_jobs
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.stages.report import ReportSettings
from prefdelta.study.study import Study


class ReportInputs:
    """The settings and the existing inputs of a study's report."""

    def __init__(self, study: Study) -> None:
        (self._job,) = study.jobs("report")
        self._study = study
        settings = self._job.typed_settings
        assert isinstance(settings, ReportSettings)
        self.settings: ReportSettings = settings

    def paths(self, name: str) -> list[Path]:
        """The files of one of the report's inputs that are there (`stages.report` lists the names)."""
        return present(self._job.inputs[name])

    @property
    def bootstrap(self) -> Bootstrap:
        return Bootstrap(self.settings.resamples, self.settings.seed)

    @cached_property
    def pairings(self) -> Pairings:
        """The pairs and deltas, by all judges."""
        return Pairings(self.paths("pairs"), self.paths("deltas"), self.settings.study, self.settings.dimensions)

    @property
    def arms(self) -> list[Arm]:
        """The arms of the experiments, each once."""
        names = (arm for experiment in self.settings.experiments.values() for arm in experiment.arms)
        return [read_arm(name) for name in dict.fromkeys(names)]

    def jobs(self, stage: str) -> list[FinishedJob]:
        """The finished jobs of a stage."""
        return read_jobs(present(job.manifest for job in self._study.jobs(stage)), self.settings.study)


def present(paths: Iterable[str | Path]) -> list[Path]:
    """Those of the files that are there."""
    return [path for path in map(Path, paths) if path.is_file()]
