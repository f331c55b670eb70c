"""Errors for people. Each says what was found, where, what is allowed, and what to do."""

from pathlib import Path


class StudyError(Exception):
    """An error that a person can put right. Its text is the whole message; no traceback is shown."""


class DamagedError(StudyError):
    """A file or folder whose content is not what was written to it."""

    def __init__(self, path: Path, damage: str) -> None:
        """damage: one sentence that names the path."""
        super().__init__(f"{damage} Delete it and run the same command again: it will be made anew.")
        self.path, self.damage = path, damage
