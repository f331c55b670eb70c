"""Which outputs of a study depend on which parts of its record, and removing both."""

import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefdelta.core.errors import DamagedError
from prefdelta.records.call import Call
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.records.contract import Row
from prefdelta.records.judgement import Judgement
from prefdelta.records.logps import RecordedLogps
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.score import Score
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.store.record import Record
from prefdelta.study.job import StudyJob
from prefdelta.study.study import Study
from prefdelta.system.instance import INSTANCE

RecordedRow = type[Call] | type[RecordedLogps]


@dataclass(frozen=True, slots=True)
class RecordedIn:
    """Where a stage records the rows that its tables are made from."""

    folder: str  # in the record; its sub-folders are partitions
    row_type: RecordedRow
    table_type: type[Row]
    column: str  # the table's column that has the key, or keys, of rows in the record
    noun: str

    def keys_of(self, row: Row) -> list[str]:
        """The keys in the record that one row of the table depends on; none if nothing was asked."""
        return _listed(getattr(row, self.column))


RECORDED_IN = {
    "generate": RecordedIn("calls/generate", Call, Trace, "call_key", "calls"),
    "judge": RecordedIn("calls/judge", Call, Judgement, "call_keys", "calls"),
    "reference": RecordedIn("reference", RecordedLogps, ReferenceLogps, "key", "sums"),
    "evaluate": RecordedIn("calls/evaluate", Call, Score, "call_key", "calls"),
}
CHECKPOINTS = {"ladder": "models", "train": "policies"}  # stage -> folder in the record
MEASURED = "calls/ladder"  # in the record, by the model's key: the replies by which a model was accepted or rejected


@dataclass(slots=True)
class Dependents:
    """The outputs of a stage that keeps a record, and the parts of the record that each depends on."""

    keys: dict[Path, set[str]] = field(default_factory=dict)  # existing output -> keys of rows, or of checkpoints
    absent: list[Path] = field(default_factory=list)  # outputs that are missing, or have no manifest
    unreadable: dict[Path, str] = field(default_factory=dict)  # -> why

    @property
    def planned(self) -> int:
        return len({*self.keys, *self.absent, *self.unreadable})

    @property
    def finished(self) -> bool:
        return not (self.absent or self.unreadable)

    def all_keys(self) -> set[str]:
        return set().union(*self.keys.values())

    def depending_on(self, keys: Collection[str]) -> list[Path]:
        """The existing outputs that depend on one of `keys`."""
        return [path for path, its_keys in self.keys.items() if not its_keys.isdisjoint(keys)]


def dependents_of(study: Study, stage: str) -> Dependents:
    """The outputs of a stage and what they depend on. Changes nothing: damage is only reported."""
    dependents = Dependents()
    for job in study.jobs(stage):
        for path in map(Path, job.outputs):
            if not path.is_file() or not Path(job.manifest).is_file():
                dependents.absent.append(path)
            if path.is_file():
                try:
                    dependents.keys[path] = _keys_of(stage, path, Path(job.manifest))
                except DamagedError as error:
                    dependents.unreadable[path] = error.damage
    return dependents


def _keys_of(stage: str, path: Path, manifest: Path) -> set[str]:
    """The keys in the record that an output depends on. Raises DamagedError if they cannot be read."""
    if stage in RECORDED_IN:
        column = RECORDED_IN[stage].column
        keys = tables.read_arrow(path, RECORDED_IN[stage].table_type, [column]).column(column).to_pylist()
        return {key for found in keys for key in _listed(found)}
    try:
        checkpoint = Checkpoint(**json.loads(path.read_text(encoding="utf-8")))
        content = json.loads(manifest.read_text(encoding="utf-8")) if stage == "ladder" and manifest.is_file() else {}
        # Models that were trained and rejected before this one. Old manifests give no keys of them.
        rejected = [attempt.get("key") for attempt in content.get("details", {}).get("rejected", [])]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DamagedError(path, f"{path}: it, or its manifest, cannot be read ({error}).") from None
    return {checkpoint.key, *(key for key in rejected if key)}


def _listed(found: str | list[str] | None) -> list[str]:
    return found if isinstance(found, list) else [] if found is None else [found]


@dataclass(frozen=True, slots=True)
class RecordPartition:
    """A partition of the record as it lies on disk."""

    folder: Path
    segments: Mapping[Path, list[tuple[str, str]]]  # -> (key, question) of each row

    @property
    def rows(self) -> int:
        return sum(map(len, self.segments.values()))

    def keys_of(self, questions: Collection[str]) -> set[str]:
        """The keys of all rows of `questions`."""
        return {key for rows in self.segments.values() for key, question in rows if question in questions}

    def bytes_of(self, keys: Collection[str]) -> int:
        """About how many bytes the rows `keys` take. Only rewriting the segments gives the exact number."""
        return sum(
            size(segment) * sum(key in keys for key, _ in rows) // max(len(rows), 1)
            for segment, rows in self.segments.items()
        )


def partitions(folder: Path, row_type: RecordedRow) -> list[RecordPartition]:
    """The partitions in a folder. Raises DamagedError if a segment cannot be read; it stays where it is."""
    # A row that is not a call has no attempts, and is a question of its own.
    columns = ("key", "question" if row_type is Call else "key")
    partitions_found = []
    for partition in sorted(path for path in folder.glob("[!.]*") if path.is_dir()):
        segments = {}
        for segment in sorted(partition.glob("*.parquet")):
            table = tables.read_arrow(segment, row_type, list(dict.fromkeys(columns)))
            segments[segment] = list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))
        partitions_found.append(RecordPartition(partition, segments))
    return partitions_found


def questions_of(listed: Iterable[RecordPartition], keys: Collection[str]) -> set[str]:
    """The questions that the rows `keys` belong to: all attempts at one question are kept, or forgotten, together."""
    rows = (row for partition in listed for segment in partition.segments.values() for row in segment)
    return {question for key, question in rows if key in keys}


# --- forgetting outputs -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ForgetPlan:
    """The outputs, and parts of the record, to be removed in order to forget some outputs of one stage."""

    stage: str
    outputs: list[Path]  # the outputs asked for
    others: list[Path]  # outputs that depend on some of the same keys
    keys: frozenset[str]  # keys of rows or checkpoints that the outputs name
    questions: int  # number of questions forgotten
    rows: dict[Path, set[str]]  # partition -> keys, with all attempts at each question
    rows_bytes: int
    folders: list[Path]  # checkpoints, with their unfinished trainings and measurements

    def sums(self) -> dict[str, tuple[int, int]]:
        """Kind -> (count, bytes)."""
        sums = {}
        if self.rows:
            kind = f"{RECORDED_IN[self.stage].noun} of {self.stage} (bytes: about)"
            sums[kind] = (sum(map(len, self.rows.values())), self.rows_bytes)
        kinds = {
            "folders of checkpoints": self.folders,
            "outputs": self.outputs,
            "other outputs that depend on the same": self.others,
        }
        for kind, paths in kinds.items():
            if paths:
                sums[f"{self.stage}: {kind}"] = (len(paths), sum(map(size, paths)))
        return sums

    def carry_out(self, study: Study) -> None:
        """Remove rows and checkpoints first: after a kill, the remaining outputs still name those left to remove."""
        for folder, keys in self.rows.items():
            # Likewise, the row that an output names is removed after the other attempts at its question.
            for part in (keys - self.keys, keys & self.keys):
                if part:
                    forget(folder, RECORDED_IN[self.stage].row_type, part)
        for path in self.folders:
            remove(path)
        jobs = study.jobs(self.stage)
        _remove_outputs(jobs, self.others)
        _remove_outputs(jobs, self.outputs)


def plan_forgetting(
    study: Study, stage: str, dependents: Dependents, outputs: Collection[Path], keys: Iterable[str]
) -> ForgetPlan:
    """The plan to forget `keys`, which `outputs` of a stage name. Outputs that depend on the same keys go too."""
    record, named = Path(study.record), frozenset(keys)
    rows: dict[Path, set[str]] = {}
    rows_bytes, questions, folders = 0, set[str](), list[Path]()
    if stage in RECORDED_IN:
        parts = partitions(record / RECORDED_IN[stage].folder, RECORDED_IN[stage].row_type)
        questions = questions_of(parts, named)
        rows = {part.folder: doomed for part in parts if (doomed := part.keys_of(questions))}
        rows_bytes = sum(part.bytes_of(rows[part.folder]) for part in parts if part.folder in rows)
    elif stage in CHECKPOINTS:
        kind = record / CHECKPOINTS[stage]
        places = [path for key in sorted(named) for path in (kind / key, *kind.glob(f".{key}.*.work"))]
        if stage == "ladder":
            places += [record / MEASURED / key for key in sorted(named)]
        folders = [path for path in places if path.exists()]
    gone = named.union(*rows.values())
    others = [path for path in dependents.depending_on(gone) if path not in outputs]
    return ForgetPlan(stage, list(outputs), others, named, len(questions), rows, rows_bytes, folders)


# --- removing ------------------------------------------------------------------------------------------------------


def remove(path: Path) -> None:
    """Remove a file or folder. A folder is renamed first, so that a kill leaves no part of it under its name."""
    if path.is_dir() and not path.is_symlink():
        hidden = path if path.name.startswith(".") else path.with_name(f".{path.name}.{INSTANCE}.tmp")
        if hidden != path:
            path.rename(hidden)
        shutil.rmtree(hidden)
    else:
        path.unlink(missing_ok=True)


def forget(folder: Path, row_type: RecordedRow, keys: Collection[str]) -> None:
    """Take rows out of a partition."""
    record: Record[Any] = Record(folder, row_type)
    record.forget(lambda row: row.key in keys)


def _remove_outputs(jobs: Iterable[StudyJob], doomed: Collection[Path]) -> None:
    """Remove outputs of jobs. A manifest is removed before the last outputs that it describes."""
    for job in jobs:
        outputs = [Path(path) for path in job.outputs]
        ours = [path for path in outputs if path in doomed]
        if ours and all(path in doomed or not path.exists() for path in outputs):
            remove(Path(job.manifest))
        for path in ours:
            remove(path)


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_dir() and not path.is_symlink():
        return sum(child.lstat().st_size for child in path.rglob("*") if not child.is_dir())
    return path.lstat().st_size
