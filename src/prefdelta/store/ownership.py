"""Claims: of two instances of one job, only the one that started last may publish.

A job can run twice at once without anyone meaning it: a cluster requeues a job whose node it has lost sight of, or a
new run starts while a killed one's job still writes. No lock is waited for: the older instance notices and stops.
"""

from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.system.files import INSTANCE, publish_text


class Claim:
    """A claim of this process on `thing`, a path that it alone is to write."""

    def __init__(self, record: Path, thing: Path) -> None:
        self._thing = thing
        self._file = record / "claims" / digest(str(thing))[:16]
        # The instance that this one takes over from: it was killed, or will find that it may not publish.
        self.predecessor = self._file.read_text(encoding="utf-8") if self._file.is_file() else None
        publish_text(self._file, INSTANCE)

    def check(self) -> None:
        """Raise StudyError if another process has claimed the thing since."""
        owner = self._owner()
        if owner != INSTANCE:
            raise StudyError(
                f"{self._thing}: another instance of this job was started later ({owner}, as host-process). This one "
                "stops and publishes nothing; what it recorded is kept."
            )

    def release(self) -> None:
        """Give the claim up, if it is still ours."""
        if self._owner() == INSTANCE:
            self._file.unlink(missing_ok=True)

    def _owner(self) -> str:
        try:
            return self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return "one that has finished"
