"""A study's results, opened to look at. Nothing is written, so a run may be going on."""

from pathlib import Path

from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base
from prefdelta.core.errors import StudyError
from prefdelta.reading.study_tables import StudyTables
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.records.manifest import Manifest
from prefdelta.reporting.manifests import read_jobs
from prefdelta.store.checkpoints import read_pointer
from prefdelta.study.study import Study


class Results:
    """The tables, manifests and policies of a study, as far as they are there."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.name = study.config.study
        self.record = Path(study.record)
        self.tables = StudyTables(study.outputs, self.name)

    def has(self, kind: str, **axes: str) -> bool:
        """Whether an output is there."""
        return self._path(kind, **axes).is_file()

    def manifest(self, kind: str, **axes: str) -> Manifest | None:
        """A job's account of its run; None if it has not run. For train and evaluate: `training`."""
        return self._manifest(layout.job_name(kind, **axes))

    def training(self, arm: Arm) -> Manifest | None:
        """The account of the job that trained an arm; None if it has not run."""
        jobs = (job for job in self.study.train_batches if arm in job.arms)
        return next((self._manifest(job.name) for job in jobs), None)

    def policy(self, arm: Arm) -> Checkpoint | None:
        """Where an arm's weights are; None if it is not trained."""
        path = Path(self.study.policy_manifest(arm))
        return read_pointer(path) if path.is_file() else None

    def ladder_model(self, model: str) -> Checkpoint | None:
        """Where the weights of a model are that the study trained itself; None if it has not, or is another model."""
        path = self._path("ladder", model=model)
        return read_pointer(path) if path.is_file() else None

    def scores(self, arm: Arm | Base, group: str) -> Path:
        """The table of an arm's answers in a group, whether or not it is there."""
        kind = "evaluate"
        if isinstance(arm, Base):
            kind = "evaluate_base" if arm.temperature is None else "evaluate_sharpened"
        return self._path(kind, **arm.axes, group=group)

    def _path(self, kind: str, **axes: str) -> Path:
        return Path(self.study.results) / layout.output(kind, **axes)

    def _manifest(self, job: str) -> Manifest | None:
        path = Path(self.study.results) / layout.manifest(job)
        return read_jobs([path], self.name)[0].manifest if path.is_file() else None


def unknown(what: str, name: str, allowed: list[str]) -> StudyError:
    """The error for a name that the study does not have, with those that are spelled most alike."""
    from difflib import get_close_matches

    alike = get_close_matches(name, allowed, n=5, cutoff=0.4) or allowed[:5]
    return StudyError(f"the study has no {what} {name!r}. Most alike of its {len(allowed):,}: {', '.join(alike)}.")
