"""Publishing files: a path has its old content or its new one, never part of it."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.system.instance import INSTANCE

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def publish(path: Path, data: bytes | memoryview) -> None:
    """Give `path` the content `data`, through a temporary file beside it that is flushed to disk and renamed.

    Raises StudyError if the disk is full; the old content is then still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{INSTANCE}.tmp")
    try:
        with explain_full_disk(path, lambda: len(data)):
            temporary.write_bytes(data)
            sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def publish_text(path: Path, text: str) -> None:
    """`publish` for a text."""
    publish(path, text.encode("utf-8"))


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder to `<name>.damaged`, out of the way of a new one. Returns the new name."""
    aside = path.with_name(f"{path.name}.damaged")
    if aside.is_dir():
        shutil.rmtree(aside)
    path.replace(aside)
    return aside


def sha256_of(path: Path) -> str:
    """Sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's list of names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def explain_full_disk(path: Path, needed: Callable[[], int]) -> Iterator[None]:
    """Turn the error of a full disk into a StudyError with the path and the bytes needed (asked for only then)."""
    try:
        yield
    except Exception as error:
        number = _full_disk(error)
        if number is None:
            raise
        free = shutil.disk_usage(path.parent).free
        raise StudyError(
            f"{path}: cannot be written: {os.strerror(number)}. {needed():,} bytes are needed, {free:,} are free. "
            "What was there before is untouched. Make room (`prefdelta gc --dry-run` shows what this study no longer "
            "needs) and run the same command again."
        ) from None


def _full_disk(error: Exception) -> int | None:
    """The system's number for a full disk, if the error means one."""
    if isinstance(error, OSError):
        return error.errno if error.errno in _FULL else None
    if "inline_container" in str(error):  # torch names only the place where writing failed
        return errno.ENOSPC
    return next((number for number in _FULL if os.strerror(number) in str(error)), None)  # safetensors
