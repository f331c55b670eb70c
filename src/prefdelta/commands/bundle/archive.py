"""Archives whose bytes depend on their content alone: sorted names, one date, no owner; and their checksums."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from prefdelta.core.errors import DamagedError, StudyError
from prefdelta.system.staged import new_file

SUMS = "SHA256SUMS"  # as `sha256sum --check` reads it
ENDINGS = (".tar.zst", ".tar.gz")
_LEVEL = 9  # of gzip


def ending_of(path: Path) -> str:
    """Raises StudyError for a name that does not end as an archive."""
    for ending in ENDINGS:
        if path.name.endswith(ending):
            return ending
    raise StudyError(f"{path}: name a file that ends in {' or '.join(ENDINGS)}.")


def write(out: Path, folder: str, files: Iterable[tuple[str, bytes]], date: str) -> int:
    """Write an archive with everything below `folder`, and return its size in bytes.

    files: (name, content), in their order in the archive; SHA256SUMS is added at the end. date: ISO,
    of all files in it.
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

    Raises DamagedError if a file is damaged, missing, listed twice or not listed; StudyError if there is no archive.
    """
    ending = ending_of(path)
    if not path.is_file():
        raise StudyError(f"{path}: there is no such file.")
    found: dict[str, str] = {}
    sums: str | None = None
    try:
        for name, content in _members(path, ending):
            if name == SUMS:
                sums = content.decode("utf-8")
            elif name in found:
                raise DamagedError(path, f"{path}: holds {name} twice.")
            else:
                found[name] = hashlib.sha256(content).hexdigest()
    except (OSError, EOFError, tarfile.TarError, UnicodeDecodeError) as error:
        raise DamagedError(path, f"{path}: cannot be read as an archive ({error}).") from None
    if sums is None:
        raise DamagedError(path, f"{path}: has no {SUMS}, so it is no bundle, or its end is missing.")
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in sums.splitlines())}
    if wrong := sorted(name for name in listed.keys() | found if listed.get(name) != found.get(name)):
        raise DamagedError(path, f"{path}: not as it was written: {', '.join(wrong[:5])}.")
    return len(found)


def _add(tar: tarfile.TarFile, name: str, content: bytes, seconds: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), seconds, 0o644
    tar.addfile(entry, io.BytesIO(content))


def _members(path: Path, ending: str) -> Iterator[tuple[str, bytes]]:
    """(name without the first folder, content) of every file."""
    with _decompressed(path, ending) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            place = PurePosixPath(entry.name)
            content = tar.extractfile(entry) if entry.isfile() else None
            if content is None or len(place.parts) < 2 or ".." in place.parts or place.is_absolute():
                raise DamagedError(path, f"{path}: holds {entry.name!r}, which no bundle has.")
            yield place.relative_to(place.parts[0]).as_posix(), content.read()


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
