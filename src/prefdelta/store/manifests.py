"""Manifests: the files that a job wrote, with the sha256 of each. Readers of the files compare the sha256."""

import json
from collections.abc import Iterable
from pathlib import Path

from prefdelta.core.errors import DamagedError
from prefdelta.system.files import sha256_of

SUFFIX = ".manifest.json"


def check(paths: Iterable[Path]) -> dict[str, str]:
    """The sha256 of each file of `paths` that is not a manifest, by path.

    A table's manifest lies beside it, or (batches) is one of `paths` itself. A file without a manifest is not checked.
    Raises DamagedError if a file is not the one that its manifest describes.
    """
    listed = list(paths)
    beside = (path.with_suffix(SUFFIX) for path in listed if not path.name.endswith(SUFFIX))
    among = (path for path in listed if path.name.endswith(SUFFIX))
    described: dict[str, str] = {}
    for manifest in {*(path for path in beside if path.is_file()), *among}:
        described |= _outputs(manifest)
    hashes: dict[str, str] = {}
    for path in listed:
        if path.is_file() and not path.name.endswith(SUFFIX):
            hashes[str(path)] = sha256_of(path)
            if hashes[str(path)] != described.get(str(path), hashes[str(path)]):
                raise DamagedError(path, f"{path}: is not the file that its manifest describes: damaged, or edited.")
    return hashes


def _outputs(manifest: Path) -> dict[str, str]:
    """Path -> sha256 of each file that a manifest describes."""
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8"))["outputs"])
    except (FileNotFoundError, ValueError, TypeError, KeyError) as error:
        raise DamagedError(manifest, f"{manifest}: is not the manifest of a job ({error!r}).") from None
