"""Checkpoints in the record: weights, keyed by the content they were made from. Only `gc` deletes them.

`record/<kind>/<key>/` is a sealed folder (`prefdelta.store.snapshots`) in Hugging Face format. A stage's output is the
small file that points to it (`policy.json`, `model.json`). A checkpoint that is being made lies in
`record/<kind>/.<key>.<job>.work/`, also after a kill, so that the same command goes on from there.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefdelta.core.errors import DamagedError, StudyError
from prefdelta.core.ids import digest
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.store.ownership import Ownership
from prefdelta.store.snapshots import Snapshots, read_seal, seal
from prefdelta.system.files import explain_full_disk, publish_text, set_aside, sync
from prefdelta.system.instance import INSTANCE
from prefdelta.system.log import say
from prefdelta.system.processes import stop_deferred, stop_now

TEMPLATE = "chat_template.jinja"  # stays when weights are removed: it is part of a call's key
REMOVED = "weights_removed.json"  # replaces weights that are no longer needed: holds their hash
DETAILS = "training.json"  # measurements from making the weights; deterministic, so no times

# (folder for weights and tokenizer, snapshots to go on from and to take) -> measurements
Train = Callable[[Path, Snapshots], Mapping[str, Any]]


def get_or_make(record: Path, kind: str, key: str, job: str, train: Train, needed: int = 0) -> Checkpoint:
    """The checkpoint of this key: from the record, or else made now. A damaged one is set aside and replaced.

    A checkpoint is published whole, or not at all. job: the job that makes it; two jobs may make the same one at once.
    needed: the least bytes that it takes, as far as known in advance.
    Raises StudyError if the disk is full, or if another instance of this job was started meanwhile.
    """
    folder = record / kind / key
    if folder.exists():
        try:
            return Checkpoint(key, _hash_of(folder), f"{kind}/{key}")
        except DamagedError as error:
            say(f"warning: {error.damage} It is now {set_aside(folder)}; it is made anew")
    _make(record, folder, job, train, needed)
    return Checkpoint(key, _weights(read_seal(folder)), f"{kind}/{key}")


def _make(record: Path, folder: Path, job: str, train: Train, needed: int) -> None:
    work = folder.with_name(f".{folder.name}.{digest(job)[:8]}.work")
    ownership = Ownership(record, work)
    for unfinished in work.glob("result-*"):  # left by a killed instance
        shutil.rmtree(unfinished)
    result = work / f"result-{INSTANCE}"
    result.mkdir(parents=True)
    try:
        with stop_deferred() as stopping, explain_full_disk(work, lambda: max(needed, _size(work))):
            _check_room(work, needed)
            details = train(result, Snapshots(work / "snapshots", ownership, stopping))
            publish_text(result / DETAILS, json.dumps(dict(details), indent=2) + "\n")
            seal(result)
            ownership.check()
            _publish(result, folder)
            ownership.release()
            shutil.rmtree(work)
            if stopping():
                stop_now()
    finally:
        shutil.rmtree(result, ignore_errors=True)


def _check_room(work: Path, needed: int) -> None:
    if shutil.disk_usage(work).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _publish(result: Path, folder: Path) -> None:
    try:
        result.rename(folder)
    except OSError:
        if not folder.is_dir():  # else: another job has just published the same content
            raise
    sync(folder.parent)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def details(record: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """The measurements from making a checkpoint."""
    return measurements(record / checkpoint.folder)


def measurements(folder: Path) -> dict[str, Any]:
    """The measurements from making the checkpoint in a folder."""
    return dict(json.loads((folder / DETAILS).read_text(encoding="utf-8")))


def write_pointer(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file that names a checkpoint: a stage's output in the place of the weights."""
    publish_text(path, json.dumps(asdict(checkpoint), indent=2) + "\n")


def read_pointer(path: Path) -> Checkpoint:
    """The checkpoint that a pointer names. Raises StudyError if there is none, DamagedError if it cannot be read."""
    try:
        return Checkpoint(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such manifest. Run the same command again to have it made.") from None
    except (ValueError, TypeError) as error:
        raise DamagedError(path, f"{path}: is not the manifest of a checkpoint ({error}).") from None


def open_pointer(path: Path, record: Path) -> tuple[Checkpoint, Path]:
    """The checkpoint that a pointer names, and its folder (see `are_removed`).

    Raises DamagedError for the pointer if the weights are not in the record, or are not the ones it was written for; a
    damaged folder is set aside. Without its pointer, the job that makes both is planned again.
    """
    checkpoint = read_pointer(path)
    folder = record / checkpoint.folder
    if not folder.is_dir():
        raise DamagedError(path, f"{path} names weights in {folder}, which are not there.")
    try:
        weights = _hash_of(folder)
    except DamagedError as error:
        with suppress(FileNotFoundError):  # another job has set it aside
            set_aside(folder)
        raise DamagedError(
            path, f"{path} names damaged weights. {error.damage} The folder is now {folder.name}.damaged."
        ) from None
    if weights != checkpoint.weights:
        raise DamagedError(path, f"{folder}: the files are not those that {path} was written for.")
    return checkpoint, folder


def are_removed(folder: Path) -> bool:
    """Whether the weights of a checkpoint were removed because they are no longer needed."""
    return (folder / REMOVED).is_file()


def remove_weights(folder: Path) -> None:
    """Remove a checkpoint's weights. Their hash and the measurements stay: the checkpoint still counts as made."""
    if not are_removed(folder):
        publish_text(folder / REMOVED, json.dumps({"weights": _weights(read_seal(folder))}) + "\n")
    for path in folder.iterdir():
        if path.name not in (REMOVED, DETAILS, TEMPLATE):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _hash_of(folder: Path) -> str:
    """The hash of a checkpoint's weights. Raises as `read_seal`."""
    if not are_removed(folder):
        return _weights(read_seal(folder))
    try:
        return str(json.loads((folder / REMOVED).read_text(encoding="utf-8"))["weights"])
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedError(folder, f"{folder / REMOVED}: cannot be read ({error}).") from None


def _weights(hashes: Mapping[str, str]) -> str:
    """Sha256 over names and contents of all files of a checkpoint."""
    return digest([[name, hashes[name]] for name in sorted(hashes)])
