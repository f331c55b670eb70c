"""Ownership of outputs: of two instances of one job, only the one that started last may publish.

A job can run twice at once by accident: a cluster requeues a job whose node it has lost sight of, or a new run starts
while a job of a killed run still writes. No process waits for a lock: the older instance notices and stops.
"""

from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.system.files import publish_text
from prefdelta.system.instance import INSTANCE, Instance

FOLDER = "claims"  # in the record


class Ownership:
    """The claim of this process on an output path, valid until a later instance claims it."""

    def __init__(self, record: Path, path: Path) -> None:
        """Claim the path. Its earlier owner may no longer publish."""
        self._path = path
        self._file = owner_file(record, path)
        # The earlier owner: it was killed, or `check` will stop it from publishing.
        self.predecessor = self._file.read_text(encoding="utf-8") if self._file.is_file() else None
        publish_text(self._file, str(INSTANCE))

    def check(self) -> None:
        """Raise StudyError if another process has claimed the path since."""
        owner = self._owner()
        if owner != str(INSTANCE):
            raise StudyError(
                f"{self._path}: another instance of this job was started later ({owner}, as host-process). This one "
                "stops and publishes nothing; what it recorded is kept."
            )

    def release(self) -> None:
        """Give up the claim, if this process still has it."""
        if self._owner() == str(INSTANCE):
            self._file.unlink(missing_ok=True)

    def _owner(self) -> str:
        try:
            return self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return "one that has finished"


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a path, by its claim file in the record."""

    file: Path
    instance: Instance | None  # None: the file does not name one

    @property
    def is_alive(self) -> bool:
        """Whether it is known to be at work, on this machine."""
        return self.instance is not None and bool(self.instance.is_at_work())

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is on another machine, which this one cannot see."""
        return self.instance is not None and not self.instance.is_here


def owner_file(record: Path, path: Path) -> Path:
    """The file that names the owner of a path."""
    return record / FOLDER / digest(str(path))[:16]


def owners(record: Path) -> list[Owner]:
    """The owners of all outputs that are being made, or whose process was killed."""
    listed = []
    for file in sorted((record / FOLDER).glob("[!.]*")):
        try:
            listed.append(Owner(file, Instance.parse(file.read_text(encoding="utf-8"))))
        except OSError:  # it was released just now
            continue
    return listed
