"""Snapshots: the state of a long training, so that after a kill the same command continues it instead of restarting.

A folder is whole if it is sealed: `sealed.json` lists the sha256 of all its files and is written last. Only this
distinguishes a good folder from one that a kill, a full disk or a flipped bit has damaged.

Snapshots have two layouts, whole (one process) and in parts (several). Neither can be read as the other. So each
snapshot names its layout, and snapshots in parts have a folder of their own. Both stay until the training is done.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from prefdelta.core.errors import DamagedError
from prefdelta.store.ownership import Ownership
from prefdelta.system.files import publish_text, sha256_of, sync
from prefdelta.system.log import say
from prefdelta.system.processes import stop_now

SEAL = "sealed.json"
LAYOUT = "layout.json"  # in a snapshot
MIN_SECONDS = 10.0  # between two snapshots if saving is cheap: a kill can cost this much
MAX_SHARE = 0.05  # largest share of time spent on saving if it is not cheap
KEPT = 2  # the newest, and one more in case the newest is damaged


def seal(folder: Path) -> dict[str, str]:
    """Flush a folder's files to disk and list them in its seal. Returns name -> sha256."""
    hashes = _hashes(folder)
    for name in hashes:
        sync(folder / name)
    publish_text(folder / SEAL, json.dumps(hashes, indent=2) + "\n")
    return hashes


def read_seal(folder: Path) -> dict[str, str]:
    """Name -> sha256 of a sealed folder's files.

    Raises DamagedError if the files are not those that were sealed, and OSError if they cannot be read now.
    """
    try:
        sealed = dict(json.loads((folder / SEAL).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        raise DamagedError(folder, f"{folder}: has no {SEAL} that can be read: writing it was not finished.") from None
    hashes = _hashes(folder)
    if wrong := sorted(name for name in sealed.keys() | hashes if sealed.get(name) != hashes.get(name)):
        raise DamagedError(folder, f"{folder}: not as it was written: {', '.join(wrong)}.")
    return hashes


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / SEAL)
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


@dataclass(frozen=True, slots=True)
class Layout:
    """How processes write a snapshot. Two or more processes, in any number, can read a snapshot in parts."""

    processes: int = 1
    in_parts: bool = False  # each process writes its part of weights and optimiser (FSDP); else one writes all

    def __str__(self) -> str:
        many = "1 process" if self.processes == 1 else f"{self.processes} processes"
        return f"{many} that share the weights" if self.in_parts else many


class Snapshots:
    """The snapshots of one training, each a folder `checkpoint-<step>` (Hugging Face's name) below `folder`.

    A training asks `due` after every step. If so, it writes its state to `path(step)` at once, and seals it.
    """

    def __init__(self, folder: Path, ownership: Ownership, stopping: Callable[[], bool] = lambda: False) -> None:
        """ownership: checked before a snapshot is sealed. stopping: whether a signal asks this process to end."""
        self._whole, self._parts = folder, folder.with_name(f"{folder.name}-in-parts")
        self.lay_out(Layout())
        self.resumed_at = 0  # the step of the snapshot that `take_newest` returned
        self.last: Path | None = None  # the newest snapshot known to be good
        self._ownership, self._stopping = ownership, stopping
        self._since = self._asked = time.monotonic()
        self._cost = 0.0  # seconds that the last save took

    def lay_out(self, layout: Layout) -> None:
        """Set how the snapshots of this training are written, before the first one is read or written."""
        self._layout = layout
        self.folder = self._parts if layout.in_parts else self._whole

    def path(self, step: int) -> Path:
        """Where the snapshot of that step goes."""
        return self.folder / f"checkpoint-{step}"

    def take_newest(self) -> Path | None:
        """The newest valid snapshot of this layout, or None. Invalid ones are reported and removed."""
        self._report_unreadable()
        for snapshot in sorted(self.folder.glob("checkpoint-*"), key=_step, reverse=True):
            try:
                read_seal(snapshot)
            except DamagedError as error:
                say(f"warning: {error.damage} This snapshot is removed, and the one before it is taken.")
                shutil.rmtree(snapshot)
            else:
                say(f"training goes on from {snapshot}")
                self.resumed_at, self.last = _step(snapshot), snapshot
                return snapshot
        return None

    def _report_unreadable(self) -> None:
        """Say so if there are snapshots of the other layout."""
        other = self._whole if self._layout.in_parts else self._parts
        if not (there := sorted(other.glob(f"checkpoint-*/{LAYOUT}"), key=lambda path: _step(path.parent))):
            return
        try:
            taken_by = Layout(**json.loads(there[-1].read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # a training with that layout will find the damage
            return
        say(
            f"warning: training in {self._layout} cannot go on from {there[-1].parent}, which {taken_by} wrote, and "
            "does without it. It stays until the policy is done: with as many GPUs as then, the same command goes on "
            "from it."
        )

    def due(self) -> bool:
        """Whether to save now: because a signal came, or enough time has passed for saving to cost little."""
        self._asked = time.monotonic()
        return self._stopping() or self._asked - self._since >= max(MIN_SECONDS, self._cost / MAX_SHARE)

    def began(self, ago: float) -> None:
        """Count the current save from `ago` seconds ago, not from `due`: other processes had to end an update first."""
        self._asked = time.monotonic() - ago

    def seal(self, snapshot: Path) -> None:
        """Make a written snapshot valid, and remove all but the newest. Ends the process if a signal came.

        Raises StudyError if another instance of this job has started since.
        """
        self._ownership.check()
        publish_text(snapshot / LAYOUT, json.dumps(asdict(self._layout)) + "\n")
        seal(snapshot)
        sync(self.folder)
        self.last = snapshot
        for old in sorted(self.folder.glob("checkpoint-*"), key=_step)[:-KEPT]:
            shutil.rmtree(old)
        self._since = time.monotonic()
        self._cost = self._since - self._asked
        if self._stopping():
            say(f"stopped by a signal; {snapshot} holds all work so far")
            stop_now()


def _step(snapshot: Path) -> int:
    return int(snapshot.name.rpartition("-")[2])
