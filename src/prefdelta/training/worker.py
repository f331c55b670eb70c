"""One of several processes that train a policy together: `python -m prefdelta.training.worker FOLDER` under torchrun.

FOLDER is where it exchanges files with the process that launched it (`prefdelta.training.several`).
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prefdelta import registry
from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import DPORecipe, KTORecipe, Recipe, SFTRecipe
from prefdelta.files import publish_text
from prefdelta.processes import die_with_parent
from prefdelta.snapshots import Snapshots
from prefdelta.training.tokens import PreferenceRow


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
    newest: Path | None  # the snapshot to go on from


class Exchange:
    """Files by which the launching process and the first of the others speak. Each appears whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._job, self._told, self._error = (folder / name for name in ("job.json", "told.json", "error.json"))
        self._asked, self._saved = folder / "asked", folder / "saved"

    def give(self, job: TrainJob) -> None:
        plain = {**asdict(job), "recipe": job.recipe.model_dump()}
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
            Path(plain["newest"]) if plain["newest"] else None,
        )

    def ask(self) -> None:
        """Ask for a snapshot."""
        self._asked.touch()

    def asked(self) -> bool:
        """Whether a snapshot was asked for since the last time."""
        found = self._asked.exists()
        self._asked.unlink(missing_ok=True)
        return found

    def save(self, snapshot: Path) -> None:
        """Tell that a snapshot was written."""
        publish_text(self._saved, str(snapshot))

    def saved(self) -> Path | None:
        """The snapshot that was written since the last time."""
        if not self._saved.exists():
            return None
        snapshot = Path(self._saved.read_text(encoding="utf-8"))
        self._saved.unlink()
        return snapshot

    def tell(self, told: Mapping[str, Any]) -> None:
        publish_text(self._told, json.dumps(told))

    def told(self) -> dict[str, Any]:
        return dict(json.loads(self._told.read_text(encoding="utf-8")))

    def fail(self, kind: str, text: str) -> None:
        publish_text(self._error, json.dumps([kind, text]))

    def error(self) -> tuple[str, str]:
        """(name of the exception, its text) of a process that failed; empty if none said why."""
        if not self._error.exists():
            return "", ""
        kind, text = json.loads(self._error.read_text(encoding="utf-8"))
        return kind, text


class _SharedSnapshots(Snapshots):
    """Snapshots that all processes write together, when the launching one asks for it; that one seals them."""

    def __init__(self, exchange: Exchange, job: TrainJob, first: bool) -> None:
        self.folder, self.last, self._newest = job.snapshots, job.newest, job.newest
        self._exchange, self._first = exchange, first

    def newest(self) -> Path | None:
        return self._newest

    def due(self) -> bool:
        from accelerate.utils import broadcast_object_list

        (asked,) = broadcast_object_list([self._first and self._exchange.asked()])
        return bool(asked)

    def seal(self, snapshot: Path) -> None:
        from accelerate.utils import wait_for_everyone

        wait_for_everyone()
        self.last = snapshot
        if self._first:
            self._exchange.save(snapshot)


def main(folder: Path) -> None:
    die_with_parent(os.getppid())
    exchange = Exchange(folder)
    try:
        _train(exchange)
    except StudyError as error:
        exchange.fail(type(error).__name__, str(error))
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        if "memory" in f"{type(error).__name__} {error}".lower():
            exchange.fail(MemoryError.__name__, str(error))
        raise


def _train(exchange: Exchange) -> None:
    import torch
    from accelerate import PartialState

    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    state = PartialState(cpu=not on_gpu)
    job = exchange.job()
    snapshots = _SharedSnapshots(exchange, job, state.is_main_process)
    told = registry.load(job.method)(job.base, job.rows, job.recipe, job.seed, job.output, snapshots)
    if state.is_main_process:
        exchange.tell(told)
    state.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
