"""Outputs of a job, written to folders of their own beside their final places and moved there together at the end.

So a job that fails half-way leaves nothing under a final name, and one that was overtaken by a later instance of itself
can still be stopped.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from prefdelta.store.ownership import Claim
from prefdelta.system.files import INSTANCE, sync


class Staging:
    """Where a job writes. `paths` has a staged path for every final one; its last folder and its name are the same."""

    def __init__(self, outputs: Mapping[str, list[Path]]) -> None:
        self._finals = [path for paths in outputs.values() for path in paths]
        self.paths = {name: [_staged(path) for path in paths] for name, paths in outputs.items()}
        for path in self._finals:
            _staged(path).parent.mkdir(parents=True, exist_ok=True)

    def publish(self, claim: Claim) -> None:
        """Move what was written to its final places. Raises StudyError if the claim does not hold any more."""
        claim.check()
        for final in self._finals:
            staged = _staged(final)
            if staged.exists():
                if final.is_dir():  # a rename replaces files only
                    shutil.rmtree(final)
                staged.replace(final)
                sync(final.parent)

    def remove(self, claim: Claim) -> None:
        """Remove the staged folders, with what was not published; also those of a killed instance of this job."""
        for final in self._finals:
            for instance in (INSTANCE, claim.predecessor):
                if instance:
                    shutil.rmtree(_staged(final, instance).parent, ignore_errors=True)


def _staged(final: Path, instance: str = INSTANCE) -> Path:
    return final.parent / f".{instance}.staged" / final.name
