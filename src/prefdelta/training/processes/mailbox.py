"""Files by which the process that launches a training and those that train together speak, on whatever machines.

Each file appears whole. Of those that train only the first reads and writes here, but for the job itself and for what
went wrong.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prefdelta.core.compute import Fsdp
from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import DPORecipe, KTORecipe, Recipe, SFTRecipe
from prefdelta.system.events import Report
from prefdelta.system.files import publish_text, say
from prefdelta.training.tokens import PreferenceRow

BEAT_SECONDS = 5.0  # between two signs of life of the launching process
_CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class TrainJob:
    """What a method's `train` is given, and where its snapshots are."""

    method: str
    base: Path
    rows: list[PreferenceRow]
    recipe: DPORecipe | KTORecipe | SFTRecipe
    seed: int
    output: Path
    snapshots: Path
    fsdp: Fsdp
    silence: float  # seconds without a sign of life of the launching process after which the others end


@dataclass(frozen=True, slots=True)
class Ran:
    """Where those that train do it, and how long they have."""

    seconds: float = 0.0  # of all their starts, each until it last said so; waiting in a queue is none of it
    slurm_job: str | None = None
    gpus: list[str] = field(default_factory=list)  # `<host>: <name> (<number>)`, one for each


class Exchange:
    """The files, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._job, self._told, self._error = (folder / name for name in ("job.json", "told.json", "error.json"))
        self._broken, self._ran = folder / "broken", folder / "ran.json"
        self._starting, self._newest = folder / "starting", folder / "newest"
        self._asked, self._saved, self._alive = folder / "asked", folder / "saved", folder / "alive"
        self._report = folder / "report.json"

    # --- the job, and how it ended ---

    def give(self, job: TrainJob) -> None:
        plain = {**asdict(job), "recipe": job.recipe.model_dump(), "fsdp": job.fsdp.model_dump()}
        publish_text(self._job, json.dumps(plain, default=str))

    def job(self) -> TrainJob:
        plain = json.loads(self._job.read_text(encoding="utf-8"))
        return TrainJob(
            plain["method"],
            Path(plain["base"]),
            [PreferenceRow(**row) for row in plain["rows"]],
            TypeAdapter[Any](Recipe).validate_json(json.dumps(plain["recipe"])),
            plain["seed"],
            Path(plain["output"]),
            Path(plain["snapshots"]),
            Fsdp(**plain["fsdp"]),
            plain["silence"],
        )

    def tell(self, told: Mapping[str, Any]) -> None:
        publish_text(self._told, json.dumps(told))

    def told(self) -> dict[str, Any] | None:
        """What was measured, if the training has ended well."""
        return dict(json.loads(self._told.read_text(encoding="utf-8"))) if self._told.exists() else None

    def fail(self, kind: str, text: str) -> None:
        publish_text(self._error, json.dumps([kind, text]))

    def error(self) -> tuple[str, str]:
        """(name of the exception, its text) of a process that failed; empty if none said why."""
        if not self._error.exists():
            return "", ""
        kind, text = json.loads(self._error.read_text(encoding="utf-8"))
        return kind, text

    def break_off(self, text: str) -> None:
        """Tell what broke a process. The first that does is the one to know of: the others break because it is gone."""
        if not self._broken.exists():
            publish_text(self._broken, text)

    def broken(self) -> str:
        """What broke a process since the last start; empty if nothing did."""
        try:
            return self._broken.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def mend(self) -> None:
        """Forget it: they will start again."""
        self._broken.unlink(missing_ok=True)

    def note(self, ran: Ran) -> None:
        publish_text(self._ran, json.dumps(asdict(ran)))

    def ran(self) -> Ran:
        """What was noted last."""
        return Ran(**json.loads(self._ran.read_text(encoding="utf-8"))) if self._ran.exists() else Ran()

    # --- the snapshot to go on from: the launching process says it, at every start of the others ---

    def start(self) -> None:
        """Ask for it."""
        self.mend()
        self._newest.unlink(missing_ok=True)
        self._starting.touch()

    def starting(self) -> bool:
        """Whether it was asked for since the last time."""
        return _taken(self._starting)

    def go_on_from(self, snapshot: Path | None) -> None:
        publish_text(self._newest, str(snapshot or ""))

    def newest(self) -> tuple[Path | None] | None:
        """The snapshot, or None for a start from the beginning; None if there is no answer yet."""
        if not self._newest.exists():
            return None
        name = self._newest.read_text(encoding="utf-8")
        return (Path(name) if name else None,)

    # --- snapshots on the way ---

    def ask(self) -> None:
        """Ask for a snapshot."""
        self._asked.touch()

    def asked(self) -> bool:
        """Whether a snapshot was asked for since the last time."""
        return _taken(self._asked)

    def save(self, snapshot: Path, seconds: float) -> None:
        """Tell that a snapshot was written, in so many seconds."""
        publish_text(self._saved, json.dumps([str(snapshot), seconds]))

    def saved(self) -> tuple[Path, float] | None:
        """The snapshot that was written since the last time, and the seconds that it took."""
        if not self._saved.exists():
            return None
        snapshot, seconds = json.loads(self._saved.read_text(encoding="utf-8"))
        self._saved.unlink()
        return Path(snapshot), seconds

    # --- progress ---

    def report(self, progress: Report) -> None:
        """Tell how far the training is."""
        with suppress(OSError, StudyError):  # a full disk: the training goes on
            publish_text(self._report, json.dumps(asdict(progress)))

    def take_report(self) -> Report | None:
        """How far the training is, if that was told since the last time."""
        if not self._report.exists():
            return None
        text = self._report.read_text(encoding="utf-8")
        self._report.unlink()
        return Report(**json.loads(text))

    # --- signs of life ---

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Within the context, give signs of life, also while the main thread does something long."""
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
        """Have those that train end: nobody waits for them any more."""
        publish_text(self._alive, _CLOSED)

    def heard(self) -> str | None:
        """The last sign of life, whatever it is; None if the launching process is gone for good."""
        if not self.folder.exists():
            return None
        try:
            found = self._alive.read_text(encoding="utf-8")
        except OSError:  # a network file system between two of them
            return ""
        return None if found == _CLOSED else found


def _taken(mark: Path) -> bool:
    found = mark.exists()
    mark.unlink(missing_ok=True)
    return found
