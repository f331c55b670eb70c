"""Repositories of the Hugging Face hub in the cache of huggingface_hub: fetched at a commit, and checked."""

import errno
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.hub import is_local
from prefdelta.core.pins import CARD_FILES, NOUNS, Kind, Pin, hub_path, matches
from prefdelta.system.files import explain_full_disk, sha256_of
from prefdelta.system.log import say

_REPO_TYPES: dict[Kind, str] = {"models": "model", "datasets": "dataset"}
HASHERS = 4  # files hashed at once
_LONG_TO_HASH = 2**30  # bytes; from this size on the log says that hashing begins
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.ENOSPC, errno.EDQUOT)


def snapshot(kind: Kind, name: str, revision: str, patterns: Sequence[str], pin: Pin | None) -> Path:
    """The folder in the cache with a repository's files of these patterns at a commit, checked, and fetched if needed.

    pin: the pin of that commit, if there is one. Raises StudyError if files cannot be fetched or differ from the pin.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    beside = _place(kind, name)

    def lacking() -> list[str]:
        return [file for file in missing(kind, name, pin) if matches(file, patterns)] if pin else []

    with explain_hub_errors(kind, name, revision, lacking), explain_full_disk(beside, lambda: pin.bytes if pin else 0):
        path = snapshot_download(
            name,
            repo_type=_REPO_TYPES[kind],
            revision=revision,
            allow_patterns=list(patterns),
            ignore_patterns=["*/*"] if kind == "models" else None,
        )
    folder, where = Path(path), f"{name}@{revision}"
    if pin:
        _check_sizes(where, folder, patterns, pin)
    _check_contents(where, folder, [file for file in files_in(folder) if matches(file, patterns)])
    return folder


def cached(kind: Kind, name: str, revision: str) -> Path:
    """The folder where the cache keeps a repository's files at a commit, even if they are not cached."""
    return _place(kind, name) / "snapshots" / revision


def missing(kind: Kind, name: str, pin: Pin) -> dict[str, int]:
    """The files of a pin, with their sizes, that the cache lacks. Nothing is fetched, and no content is read."""
    folder = cached(kind, name, pin.revision)
    return {file: size for file, size in pin.files.items() if _size(folder / file) != size}


def files_in(folder: Path) -> list[str]:
    """The paths of a folder's files within it, sorted, without hidden files other than a card's."""
    paths = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(root).relative_to(folder)
        paths += [(below / name).as_posix() for name in names if not name.startswith(".") or name in CARD_FILES]
    return sorted(paths)


def how_to_mend(where: str, folder: Path) -> str:
    """What to do about a folder (a snapshot in the cache, or a local folder) that is not whole."""
    if is_local(where):
        return "Copy it again from where it came."
    return f"Remove {folder.parents[1]}, and run the same command again where the hub can be reached."


def _place(kind: Kind, name: str) -> Path:
    """Where the cache keeps a repository."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE, f"{kind}--{name.replace('/', '--')}")


def _check_sizes(where: str, folder: Path, patterns: Sequence[str], pin: Pin) -> None:
    """Raise StudyError if a file is missing, or has another size than its pin says."""
    for file, size in pin.files.items():
        if matches(file, patterns):
            actual = _size(folder / file)
            if actual != size:
                state = "is missing" if actual is None else f"has {actual:,} bytes"
                raise StudyError(
                    f"{where}: {folder / file} {state}; {size:,} bytes are right. {how_to_mend(where, folder)}"
                )


def _size(file: Path) -> int | None:
    return file.stat().st_size if file.is_file() else None


def _check_contents(where: str, folder: Path, files: Sequence[str]) -> None:
    """Raise StudyError if cached files are not what was fetched.

    The cache keeps each file under its hash, with a link to it under the file's name. Where links are not supported,
    nothing is checked.
    """
    hashes = {path: path.readlink().name for file in files if (path := folder / file).is_symlink()}
    total = sum(path.stat().st_size for path in hashes)
    if total >= _LONG_TO_HASH:
        say(f"{where}: checking {total / 1e9:.1f} GB in the cache")
    with ThreadPoolExecutor(HASHERS) as pool:
        good = list(pool.map(_has_hash, hashes, hashes.values()))
    if changed := [str(path) for path, same in zip(hashes, good, strict=True) if not same]:
        raise StudyError(f"{where}: not as the hub gave it: {', '.join(changed)}. {how_to_mend(where, folder)}")


def _has_hash(path: Path, name: str) -> bool:
    """Whether a file has the hash that names it: sha256, or Git's for small files (mirrors give plain sha1)."""
    if re.fullmatch("[0-9a-f]{64}", name):
        return sha256_of(path) == name
    if re.fullmatch("[0-9a-f]{40}", name):
        data = path.read_bytes()
        return name in (hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(), hashlib.sha1(data).hexdigest())
    return True


@contextmanager
def explain_hub_errors(
    kind: Kind, name: str, revision: str | None = None, lacking: Callable[[], list[str]] = list
) -> Iterator[None]:
    """Turn the errors of the hub's client into StudyErrors that say what to do. None of them shows a token.

    lacking: says which files the cache does not hold, as far as known.
    """
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{hub_path(kind, name)}"
    where = f"{name}@{revision}" if revision else name
    try:
        yield
    except errors.GatedRepoError:
        raise StudyError(
            f"{where}: access to this {NOUNS[kind]} is granted by its owners. Ask for it on {page}, and put a token "
            "of that account into the environment variable HF_TOKEN."
        ) from None
    except errors.RepositoryNotFoundError:
        raise StudyError(
            f"{where}: {page} does not exist, or is private. Check the spelling; for a private one put a token into "
            "the environment variable HF_TOKEN."
        ) from None
    except errors.RevisionNotFoundError:
        raise StudyError(
            f"{where}: there is no such commit any more. `prefdelta pin --update {hub_path(kind, name)}` takes the "
            "newest."
        ) from None
    except errors.HFValidationError as error:
        raise StudyError(f"{where}: not a name of the hub, which is owner/name: {error}") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        off = constants.HF_HUB_OFFLINE
        why = "HF_HUB_OFFLINE is set" if off else f"the hub at {constants.ENDPOINT} cannot be reached"
        if revision is None:
            raise StudyError(f"{where}: {why}. Run this where it can be.") from None
        raise StudyError(
            f"{where}: {why}, and the cache ({constants.HF_HUB_CACHE}) does not hold all of this {NOUNS[kind]}. Where "
            f"the hub can be reached, with the same HF_HOME, run `prefdelta pin --fetch {hub_path(kind, name)}`; or "
            f"put a local folder (./…) in its place. The client says: {_first_line(error)}"
        ) from None
    except errors.HfHubHTTPError as error:
        if error.response.status_code == 401:
            raise StudyError(
                f"{where}: the hub does not accept the access token. Put a valid one into the environment variable "
                "HF_TOKEN, or none."
            ) from None
        raise StudyError(f"{where}: the hub at {constants.ENDPOINT} answers: {_first_line(error)}") from None
    except errors.HTTPError as error:  # type: ignore[attr-defined]  # an error of the network
        raise StudyError(
            f"{where}: the hub at {constants.ENDPOINT} cannot be reached: {error}. Run this where it can be."
        ) from None
    except OSError as error:
        if error.errno in _NOT_WRITABLE:
            files = f"lacks {', '.join(lacking()) or 'files'}"
            raise StudyError(
                f"{where}: the cache ({constants.HF_HUB_CACHE}) {files}, and nothing can be written to it: "
                f"{error.strerror} ({error.filename or error}). From a machine that can write there, with the same "
                f"HF_HOME, run `prefdelta pin --fetch {hub_path(kind, name)}`; or have HF_HOME name a folder that can "
                "be written to."
            ) from None
        raise StudyError(  # an error of the network or the disk, or the client's check of a file that it received
            f"{where}: fetching did not work: {_first_line(error)} Run the same command again."
        ) from None


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
