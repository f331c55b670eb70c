"""Checkpoints in the record: weights by the content they were made from. Only `gc` deletes them.

`record/<kind>/<key>/` holds a folder in Hugging Face format; a stage's output is the small manifest that names it.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.files import publish_text, sha256_of
from prefdelta.records.checkpoint import Checkpoint

DETAILS = "training.json"  # what was measured while the weights were made; deterministic, so no times


def made(record: Path, kind: str, key: str, train: Callable[[Path], Mapping[str, Any]]) -> Checkpoint:
    """The checkpoint of that key: from the record, or else made now.

    train: writes weights and tokenizer into the folder it is given and returns what it measured. The folder is
    published whole, or not at all.
    """
    folder = record / kind / key
    if not folder.is_dir():
        temporary = folder.with_name(f".{key}.{os.getpid()}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            publish_text(temporary / DETAILS, json.dumps(dict(train(temporary)), indent=2) + "\n")
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():  # else: another job published the same content first
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return Checkpoint(key, _weights_of(folder), f"{kind}/{key}")


def details(record: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """What was measured while a checkpoint was made."""
    found = json.loads((record / checkpoint.folder / DETAILS).read_text(encoding="utf-8"))
    return dict(found)


def write_manifest(path: Path, checkpoint: Checkpoint) -> None:
    publish_text(path, json.dumps(asdict(checkpoint), indent=2) + "\n")


def open_manifest(path: Path, record: Path) -> tuple[Checkpoint, Path]:
    """The checkpoint a manifest names, and its folder.

    Raises StudyError if the weights are not in the record, or are not the ones the manifest was written for.
    """
    checkpoint = Checkpoint(**json.loads(path.read_text(encoding="utf-8")))
    folder = record / checkpoint.folder
    remedy = "and run the same command again: the weights will be made anew."
    if not folder.is_dir():
        raise StudyError(f"{path} names weights in {folder}, which are not there. Delete {path} {remedy}")
    if _weights_of(folder) != checkpoint.weights:  # the folder must go too, or `made` would take it as it is
        raise StudyError(
            f"{folder}: the files are not those that {path} was written for. Delete {folder} and {path} {remedy}"
        )
    return checkpoint, folder


def _weights_of(folder: Path) -> str:
    """Sha256 over names and contents of all files of a checkpoint."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest([[str(path.relative_to(folder)), sha256_of(path)] for path in files])
