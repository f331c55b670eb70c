"""Ownership of outputs: of two instances of one job, only the one that started last may publish.

A job can run twice at once without anyone meaning it: a cluster requeues a job whose node it has lost sight of, or a
new run starts while a job of a killed one still writes. Nobody waits for a lock: the older instance notices, and stops.
"""

from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.system.files import publish_text
from prefdelta.system.instance import INSTANCE, Instance

FOLDER = "claims"  # in the record


class Ownership:
    """Of a path, which this process alone is to write until another one takes it."""

    def __init__(self, record: Path, path: Path) -> None:
        """Take it. Whoever owned it before may not publish any more."""
        self._path = path
        self._file = owner_file(record, path)
        # The instance that owned it before: it was killed, or will find that it may not publish.
        self.predecessor = self._file.read_text(encoding="utf-8") if self._file.is_file() else None
        publish_text(self._file, str(INSTANCE))

    def check(self) -> None:
        """Raise StudyError if another process has taken the path since."""
        owner = self._owner()
        if owner != str(INSTANCE):
            raise StudyError(
                f"{self._path}: another instance of this job was started later ({owner}, as host-process). This one "
                "stops and publishes nothing; what it recorded is kept."
            )

    def release(self) -> None:
        """Give it up, if it is still ours."""
        if self._owner() == str(INSTANCE):
            self._file.unlink(missing_ok=True)

    def _owner(self) -> str:
        try:
            return self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return "one that has finished"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who makes, or made, something, by the file in the record that says so."""

    file: Path
    instance: Instance | None  # None: the file does not name one

    @property
    def is_alive(self) -> bool:
        """As far as this machine can see."""
        return self.instance is not None and bool(self.instance.is_at_work())

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is on another machine, which this one cannot see."""
        return self.instance is not None and not self.instance.is_here


def owner_file(record: Path, path: Path) -> Path:
    """The file that names the owner of a path."""
    return record / FOLDER / digest(str(path))[:16]


def owners(record: Path) -> list[Owner]:
    """The owners of all that is being made, or was when its process was killed."""
    listed = []
    for file in sorted((record / FOLDER).glob("[!.]*")):
        try:
            listed.append(Owner(file, Instance.parse(file.read_text(encoding="utf-8"))))
        except OSError:  # it was released just now
            continue
    return listed
