"""Folders and large files that appear whole under their name, or not at all."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.system.files import explain_full_disk, sync
from prefdelta.system.instance import INSTANCE


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `out` at the end of the block; after an error nothing is left of it.

    Raises StudyError if `out` is there already and not empty, if it cannot be made, or if the disk is full.
    """
    out = out.absolute()
    if _is_there(out) and (out.is_symlink() or not out.is_dir() or any(out.iterdir())):
        raise StudyError(f"{out}: is there already. Nothing was written; name another folder, or remove this one.")
    with _staged(out, Path.mkdir) as staged:
        yield staged
        for path in staged.rglob("*"):
            sync(path)


@contextmanager
def new_file(out: Path) -> Iterator[Path]:
    """A file to write, which becomes `out` at the end of the block; after an error nothing is left of it.

    Raises StudyError if `out` is there already, if it cannot be made, or if the disk is full.
    """
    out = out.absolute()
    if _is_there(out):
        raise StudyError(f"{out}: is there already. Nothing was written; name another file, or remove this one.")
    with _staged(out, Path.touch) as staged:
        yield staged
        sync(staged)


@contextmanager
def _staged(out: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """A path beside `out`, which takes its place at the end of the block. Folders made for it go after an error."""
    staged = out.with_name(f".{out.name}.{INSTANCE}.tmp")
    missing = [folder for folder in out.parents if not _is_there(folder)]  # innermost first
    try:
        with explain_full_disk(out, lambda: _size(staged)), _unwound_by_sigterm():
            try:
                out.parent.mkdir(parents=True, exist_ok=True)
                make(staged)
            except (OSError, ValueError) as error:
                raise StudyError(f"{out}: cannot be made: {error}. Nothing was written; name another path.") from None
            yield staged
        staged.replace(out)
    except BaseException:
        with suppress(OSError, ValueError):
            shutil.rmtree(staged) if staged.is_dir() else staged.unlink()
        for folder in missing:
            with suppress(OSError, ValueError):
                folder.rmdir()
        raise
    sync(out.parent)


@contextmanager
def _unwound_by_sigterm() -> Iterator[None]:
    """Within the context SIGTERM unwinds a process that would end by it at once."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _size(path: Path) -> int:
    return sum(part.stat().st_size for part in [path, *path.rglob("*")])


def _is_there(path: Path) -> bool:
    """Whether a path names anything, a link to nothing included."""
    try:
        return os.path.lexists(path)
    except ValueError:  # a name that no file can have
        return False
