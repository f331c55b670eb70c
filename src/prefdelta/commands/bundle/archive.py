"""Archives whose bytes depend on their content alone: sorted names, one date, no owner; and their checksums."""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.system.staged import new_file

SUMS = "SHA256SUMS"  # as `sha256sum --check` reads it
ENDINGS = (".tar.zst", ".tar.gz")
_LEVEL = 9  # of gzip
_AT_ONCE = 2**20  # bytes


def ending_of(path: Path) -> str:
    """Raises StudyError for a name that does not end as an archive."""
    for ending in ENDINGS:
        if path.name.endswith(ending):
            return ending
    raise StudyError(f"{path}: name a file that ends in {' or '.join(ENDINGS)}.")


def write(out: Path, folder: str, files: Iterable[tuple[str, bytes]], date: str) -> int:
    """Write an archive with everything below `folder`, and return its size in bytes.

    files: (name, content), in their order in the archive; SHA256SUMS is added at the end. date: ISO,
    of all files in it. Raises StudyError for a name that leads out of the folder, or as `new_file`.
    """
    seconds = int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
    sums = []
    with new_file(out) as path:
        with (
            _compressed(path, ending_of(out)) as stream,
            tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, content in files:
                sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
                _add(tar, f"{folder}/{name}", content, seconds)
            _add(tar, f"{folder}/{SUMS}", "".join(sums).encode("utf-8"), seconds)
        return path.stat().st_size


def check(path: Path) -> int:
    """Compare every file of an archive with its checksums, and return how many there are. Nothing is unpacked.

    Raises StudyError if there is no archive, if its list of checksums is not its last file, or if a file is damaged,
    missing, there twice or not listed.
    """
    ending = ending_of(path)
    if not path.is_file():
        raise StudyError(f"{path}: there is no such file.")
    found: dict[str, str] = {}
    top, sums = None, None
    try:
        for folder, name, content in _members(path, ending):
            if sums is not None or folder != (top := top or folder) or name in found:
                raise _damaged(path, f"holds {folder}/{name} where no bundle has it")
            if name == SUMS:
                sums = content.decode("utf-8")
            else:
                found[name] = hashlib.sha256(content).hexdigest()
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        raise _damaged(path, f"cannot be read as an archive ({error})") from None
    if sums is None:
        raise _damaged(path, f"has no {SUMS}, so it is no bundle, or its end is missing")
    lines = [line.partition("  ") for line in sums.splitlines()]
    listed = {name: digest for digest, _, name in lines}
    if not found or len(listed) < len(lines):
        raise _damaged(path, f"{SUMS} lists no file, or one twice")
    if wrong := sorted(name for name in listed.keys() | found if listed.get(name) != found.get(name)):
        raise _damaged(path, f"not as it was written: {', '.join(wrong[:5])}")
    return len(found)


def _damaged(path: Path, what: str) -> StudyError:
    return StudyError(f"{path}: {what}. Get the archive once more from where it was written.")


def _add(tar: tarfile.TarFile, name: str, content: bytes, seconds: int) -> None:
    if not _is_inside(name):
        raise StudyError(f"{name!r}: leads out of the archive's folder, so no archive may hold it. Name another path.")
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), seconds, 0o644
    tar.addfile(entry, io.BytesIO(content))


def _members(path: Path, ending: str) -> Iterator[tuple[str, str, bytes]]:
    """(first folder, name below it, content) of every file, up to the stream's last byte."""
    with _decompressed(path, ending) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for entry in tar:
                content = tar.extractfile(entry) if entry.isfile() else None
                if content is None or not _is_inside(entry.name):
                    raise _damaged(path, f"holds {entry.name!r}, which no bundle has")
                folder, _, name = entry.name.partition("/")
                yield folder, name, content.read()
        while rest := stream.read(_AT_ONCE):  # the compressor's checksum stands behind the last byte
            if rest.strip(b"\0"):
                raise _damaged(path, "goes on behind the archive's end")


def _is_inside(name: str) -> bool:
    """Whether a name is a plain path with at least one folder."""
    parts = PurePosixPath(name).parts
    return len(parts) >= 2 and ".." not in parts and "/".join(parts) == name and not name.startswith("/")


@contextmanager
def _compressed(path: Path, ending: str) -> Iterator[Any]:
    import pyarrow as pa

    if ending == ".tar.gz":
        with path.open("wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as stream:
            yield stream
    else:
        with pa.output_stream(str(path), compression="zstd") as stream:
            yield stream


@contextmanager
def _decompressed(path: Path, ending: str) -> Iterator[Any]:
    import pyarrow as pa

    if ending == ".tar.gz":
        with gzip.open(path) as stream:
            yield stream
    else:
        with pa.input_stream(str(path), compression="zstd") as stream:
            yield stream
