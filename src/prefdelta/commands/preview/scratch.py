"""A folder for the tables of a preview, and the stages that run in it on a few rows.

A stage runs as the workflow starts it, in a process of its own, with small tables as inputs and outputs here. Its
record is the study's, so that the run finds the replies; or one here, for what would not come out alike in a run.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from prefdelta.core import layout
from prefdelta.core.errors import StudyError
from prefdelta.core.settings import Settings
from prefdelta.records.contract import Row
from prefdelta.records.manifest import Manifest
from prefdelta.store import tables
from prefdelta.study.study import Study
from prefdelta.workflow.job import Job

R = TypeVar("R", bound=Row)
S = TypeVar("S", bound=Settings)
_ERROR = re.compile(r"^error: .*", re.MULTILINE | re.DOTALL)
_SHOWN = 15  # last lines of a log without an error in words


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where a preview writes. It is laid out like a study's results, so that a stage reads its paths there."""

    folder: Path
    study: Study

    @property
    def results(self) -> Path:
        return self.folder / layout.results(self.study.config.study)

    @property
    def record(self) -> Path:
        """A record of its own, with the models of the study's."""
        record = self.results / "record"
        record.mkdir(parents=True, exist_ok=True)
        if not (models := record / "models").is_symlink():
            models.symlink_to(Path(self.study.record, "models").resolve())
        return record

    def path(self, kind: str, **axes: str) -> Path:
        return self.results / layout.output(kind, **axes)

    def write(self, row_type: type[R], rows: Iterable[R], kind: str, **axes: str) -> Path:
        path = self.path(kind, **axes)
        path.parent.mkdir(parents=True, exist_ok=True)
        tables.write(path, row_type, list(rows))
        return path

    def run(self, stage: str, job: Job[S]) -> Manifest:
        """Run a stage in a process of its own. Raises StudyError with what it says if it fails."""
        manifest = self.results / "previewed.manifest.json"
        outputs = {**job.outputs, "manifest": [manifest]}
        words = ["--in", *_words(job.inputs), "--out", *_words(outputs), "--record", str(job.record)]
        command = [sys.executable, "-m", f"prefdelta.stages.{stage}", *words]
        done = subprocess.run(
            [*command, "--settings", job.settings.model_dump_json()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            said = _ERROR.search(done.stderr)
            end = "\n".join(done.stderr.rstrip().splitlines()[-_SHOWN:])
            raise StudyError(said[0].removeprefix("error: ").strip() if said else end)
        return Manifest.from_json(manifest.read_text(encoding="utf-8"))


def _words(files: Mapping[str, Sequence[Path]]) -> list[str]:
    words: list[str] = []
    for name, paths in files.items():
        first, *others = map(str, paths) if paths else [""]
        words += [f"{name}={first}", *others]
    return words
