"""Errors for people: what is wrong, where, what is allowed, what to do."""

from pathlib import Path


class StudyError(Exception):
    """A mistake that a person can correct. The text is the whole message; no traceback is shown."""


class DamagedError(StudyError):
    """A file or folder whose content is not what was written to it.

    found: a sentence that names the file and says what is wrong with it.
    """

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(f"{found} Delete it and run the same command again: it will be made anew.")
        self.path, self.found = path, found
