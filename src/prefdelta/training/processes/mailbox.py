"""Files for messages between the process that launches a training and the processes that train, on any machines.

Each file appears whole. Only the first of the processes that train reads and writes here, but all of them read the job
and write their errors.
"""

import dataclasses
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prefdelta.core.compute import Fsdp
from prefdelta.core.recipes import Recipe
from prefdelta.system.events import Report
from prefdelta.system.files import publish_text
from prefdelta.system.log import say
from prefdelta.training.processes.rows import StoredRows, store
from prefdelta.training.registry import AnyRecipe
from prefdelta.training.tokens import PreferenceRow

BEAT_SECONDS = 5.0  # between two signs of life of the launching process
_CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class TrainJob:
    """The arguments of `trainer.train`, with the folder of the snapshots."""

    base: Path
    rows: Sequence[PreferenceRow]
    recipe: Recipe
    seed: int
    output: Path
    snapshots: Path
    fsdp: Fsdp
    silence: float  # seconds without a sign of life of the launching process after which the others end


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """Where the processes train, and how long they have."""

    seconds: float = 0.0  # sum over all starts, each up to its last note; without time in a queue
    slurm_job: str | None = None
    gpus: list[str] = field(default_factory=list)  # `<host>: <name> (<number>)`, one for each


class Mailbox:
    """The files, in a folder of their own. A method called `take_...` deletes what it returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._job, self._result, self._error = (folder / f"{name}.json" for name in ("job", "result", "error"))
        self._rows = folder / "rows.arrow"
        self._broken, self._run = folder / "broken", folder / "run.json"
        self._start_request, self._start = folder / "start-request", folder / "start"
        self._snapshot_request, self._snapshot = folder / "snapshot-request", folder / "snapshot"
        self._alive, self._report = folder / "alive", folder / "report.json"

    # --- the job, and how it ended ---

    def put_job(self, job: TrainJob) -> None:
        store(self._rows, job.rows)
        fields = {field.name: getattr(job, field.name) for field in dataclasses.fields(job) if field.name != "rows"}
        fields |= {"recipe": job.recipe.model_dump(), "fsdp": job.fsdp.model_dump()}
        publish_text(self._job, json.dumps(fields, default=str))  # after the rows, which are whole when it is there

    def job(self) -> TrainJob:
        """The job that was put. Its rows stay in their file, which all processes of a machine share in memory."""
        fields = json.loads(self._job.read_text(encoding="utf-8"))
        return TrainJob(
            Path(fields["base"]),
            StoredRows(self._rows),
            TypeAdapter[Recipe](AnyRecipe).validate_json(json.dumps(fields["recipe"])),
            fields["seed"],
            Path(fields["output"]),
            Path(fields["snapshots"]),
            Fsdp(**fields["fsdp"]),
            fields["silence"],
        )

    def put_result(self, measured: Mapping[str, Any]) -> None:
        publish_text(self._result, json.dumps(measured))

    def result(self) -> dict[str, Any] | None:
        """The measurements, if the training has ended well."""
        return dict(json.loads(self._result.read_text(encoding="utf-8"))) if self._result.exists() else None

    def put_error(self, kind: str, message: str) -> None:
        """kind: name of the exception."""
        publish_text(self._error, json.dumps([kind, message]))

    def error(self) -> tuple[str, str]:
        """(name of the exception, its message) of a process that failed; empty if none wrote one."""
        if not self._error.exists():
            return "", ""
        kind, message = json.loads(self._error.read_text(encoding="utf-8"))
        return kind, message

    def put_break(self, cause: str) -> None:
        """Say what broke a process. Only the first cause is kept: other processes then break because one is gone."""
        if not self._broken.exists():
            publish_text(self._broken, cause)

    def broken(self) -> str:
        """What broke a process since the last start; empty if nothing did."""
        try:
            return self._broken.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def forget_break(self) -> None:
        """Delete the cause of a break, because the processes start again."""
        self._broken.unlink(missing_ok=True)

    def put_run(self, run: TrainingRun) -> None:
        publish_text(self._run, json.dumps(asdict(run)))

    def run(self) -> TrainingRun:
        """The run that was put last."""
        return TrainingRun(**json.loads(self._run.read_text(encoding="utf-8"))) if self._run.exists() else TrainingRun()

    # --- the snapshot to go on from, which the launching process names at every start of the others ---

    def request_start(self) -> None:
        """Ask which snapshot to go on from."""
        self.forget_break()
        self._start.unlink(missing_ok=True)
        self._start_request.touch()

    def take_start_request(self) -> bool:
        """Whether the start was asked for since the last call."""
        return _take(self._start_request)

    def put_start(self, snapshot: Path | None) -> None:
        """Answer a start request. snapshot: None for a start from the beginning."""
        publish_text(self._start, str(snapshot or ""))

    def start(self) -> tuple[Path | None] | None:
        """The answer to a start request, as a tuple of one; None if there is no answer yet."""
        if not self._start.exists():
            return None
        name = self._start.read_text(encoding="utf-8")
        return (Path(name) if name else None,)

    # --- snapshots on the way ---

    def request_snapshot(self) -> None:
        self._snapshot_request.touch()

    def take_snapshot_request(self) -> bool:
        """Whether a snapshot was asked for since the last call."""
        return _take(self._snapshot_request)

    def put_snapshot(self, snapshot: Path, seconds: float) -> None:
        """Say that a snapshot was written, and how many seconds it took."""
        publish_text(self._snapshot, json.dumps([str(snapshot), seconds]))

    def take_snapshot(self) -> tuple[Path, float] | None:
        """The snapshot that was written since the last call, and the seconds that it took."""
        if not self._snapshot.exists():
            return None
        snapshot, seconds = json.loads(self._snapshot.read_text(encoding="utf-8"))
        self._snapshot.unlink()
        return Path(snapshot), seconds

    # --- progress ---

    def put_report(self, progress: Report) -> None:
        """Tell how far the training is. A report that cannot be written is left out: the training goes on.

        The folder is not made here: that it is gone says that the launching process is.
        """
        temporary = self._report.with_suffix(".tmp")
        with suppress(OSError):
            temporary.write_text(json.dumps(asdict(progress)), encoding="utf-8")
            temporary.replace(self._report)

    def take_report(self) -> Report | None:
        """How far the training is, if that was told since the last time, and can be read."""
        with suppress(OSError, ValueError, TypeError):  # most often there is none; or a network file system replaces it
            text = self._report.read_text(encoding="utf-8")
            self._report.unlink(missing_ok=True)
            return Report(**json.loads(text))
        return None

    # --- signs of life ---

    @contextmanager
    def signs_of_life(self) -> Iterator[None]:
        """Within the context, give signs of life, even while the main thread is busy."""
        over = threading.Event()

        def beat() -> None:
            number = 0
            while not over.wait(BEAT_SECONDS if number else 0):
                number += 1
                try:
                    publish_text(self._alive, str(number))
                except Exception as error:  # a full disk: there may be room again for the next one
                    say(f"warning: {error}")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def close(self) -> None:
        """Tell the processes that train to end, because nobody waits for them any more."""
        publish_text(self._alive, _CLOSED)

    def last_sign_of_life(self) -> str | None:
        """The last sign of life, which may be empty; None if the launching process is gone for good."""
        if not self.folder.exists():
            return None
        try:
            sign = self._alive.read_text(encoding="utf-8")
        except OSError:  # a network file system between two signs
            return ""
        return None if sign == _CLOSED else sign


def _take(mark: Path) -> bool:
    there = mark.exists()
    mark.unlink(missing_ok=True)
    return there
