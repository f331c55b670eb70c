"""Folders and large files that appear whole under their name, or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.system.files import explain_full_disk, sync
from prefdelta.system.instance import INSTANCE


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `out` at the end of the block; after an error nothing is left of it.

    Raises StudyError if `out` is there already and not empty, or if the disk is full.
    """
    out = out.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudyError(f"{out}: is there already. Nothing was written; name another folder, or remove this one.")
    staged = _temporary(out)
    staged.mkdir(parents=True)
    try:
        with explain_full_disk(out, lambda: sum(path.stat().st_size for path in staged.rglob("*"))):
            yield staged
            for path in staged.rglob("*"):
                sync(path)
        staged.replace(out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    sync(out.parent)


@contextmanager
def new_file(out: Path) -> Iterator[Path]:
    """A file to write, which replaces `out` at the end of the block; after an error `out` is as it was.

    Raises StudyError if the disk is full.
    """
    out = out.absolute()
    staged = _temporary(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with explain_full_disk(out, lambda: staged.stat().st_size if staged.exists() else 0):
            yield staged
            sync(staged)
        staged.replace(out)
    finally:
        staged.unlink(missing_ok=True)
    sync(out.parent)


def _temporary(out: Path) -> Path:
    return out.with_name(f".{out.name}.{INSTANCE}.tmp")
