"""What a job's client asks for: the command with all that it would have as a process of its own."""

import os
from dataclasses import dataclass
from typing import Self

from prefdelta.workflow.fork_server.client import STAGES

# Variables that a shell sets for itself: they differ between jobs, and no library reads them.
_OF_SHELLS = ("_", "OLDPWD", "PWD", "SHLVL")


@dataclass(frozen=True, slots=True)
class JobRequest:
    directory: str
    words: list[str]  # behind `python`: -m, the module, its arguments
    environment: dict[str, str]

    @property
    def module(self) -> str:
        return self.words[1]

    @property
    def stage(self) -> str:
        return self.module.removeprefix(STAGES)

    @property
    def for_imports(self) -> tuple[str, frozenset[tuple[str, str]]]:
        """All that a library may read while it is imported."""
        read = (item for item in self.environment.items() if item[0] not in _OF_SHELLS)
        return self.directory, frozenset(read)

    @classmethod
    def read(cls, file: int) -> Self:
        """The request in a file that a client has written. Raises ValueError if it is none."""
        directory, count, *rest = os.fsdecode(os.pread(file, os.fstat(file).st_size, 0)).split("\0")
        words, variables = rest[: int(count)], rest[int(count) :]
        environment = {name: value for name, _, value in (variable.partition("=") for variable in variables)}
        return cls(directory, words, environment)
