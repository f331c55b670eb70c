"""Staging: a job writes its outputs to folders beside their final places, and moves them there together at the end.

So a job that fails half-way leaves nothing under a final name, and a job that a later instance of itself has replaced
can still be stopped.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from prefdelta.store.ownership import Ownership
from prefdelta.system.files import sync
from prefdelta.system.instance import INSTANCE


class Staging:
    """Where a job writes. `paths` maps each final path to a staged one with the same last folder and name."""

    def __init__(self, outputs: Mapping[str, list[Path]]) -> None:
        self._finals = [path for paths in outputs.values() for path in paths]
        self.paths = {name: [_staged(path) for path in paths] for name, paths in outputs.items()}
        for path in self._finals:
            _staged(path).parent.mkdir(parents=True, exist_ok=True)

    def publish(self, ownership: Ownership) -> None:
        """Move the written outputs to their final paths. Raises StudyError if another instance owns them by now."""
        ownership.check()
        for final in self._finals:
            staged = _staged(final)
            if staged.exists():
                if final.is_dir():  # a rename replaces files only
                    shutil.rmtree(final)
                staged.replace(final)
                sync(final.parent)

    def remove(self, ownership: Ownership) -> None:
        """Remove the staged folders with all unpublished outputs, and those of the earlier owner."""
        for final in self._finals:
            for instance in (str(INSTANCE), ownership.predecessor):
                if instance:
                    shutil.rmtree(_staged(final, instance).parent, ignore_errors=True)


def _staged(final: Path, instance: str = "") -> Path:
    """instance: whose; by default of this process."""
    return final.parent / f".{instance or INSTANCE}.staged" / final.name
