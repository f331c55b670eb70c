"""Manifests: what a job wrote, with the sha256 of each file. Readers hold the files against them."""

import json
from collections.abc import Iterable
from pathlib import Path

from prefdelta.core.errors import DamagedError
from prefdelta.system.files import sha256_of

SUFFIX = ".manifest.json"


def check(paths: Iterable[Path]) -> dict[str, str]:
    """The sha256 of each file of `paths` but manifests, by path.

    Raises DamagedError if one of them is not the file that its manifest describes.

    A table's manifest lies beside it, or (batches) is one of `paths` itself. A file without one is not checked.
    """
    listed = list(paths)
    beside = (path.with_suffix(SUFFIX) for path in listed if not path.name.endswith(SUFFIX))
    among = (path for path in listed if path.name.endswith(SUFFIX))
    described: dict[str, str] = {}
    for manifest in {*(path for path in beside if path.is_file()), *among}:
        described |= _outputs(manifest)
    found: dict[str, str] = {}
    for path in listed:
        if path.is_file() and not path.name.endswith(SUFFIX):
            found[str(path)] = sha256_of(path)
            if found[str(path)] != described.get(str(path), found[str(path)]):
                raise DamagedError(path, f"{path}: is not the file that its manifest describes: damaged, or edited.")
    return found


def _outputs(manifest: Path) -> dict[str, str]:
    """Path -> sha256 of what a manifest describes."""
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8"))["outputs"])
    except (FileNotFoundError, ValueError, TypeError, KeyError) as error:
        raise DamagedError(manifest, f"{manifest}: is no manifest of a job ({error!r}).") from None
