"""Instances: one process on one host, by a name that no other process has. Files that are not finished carry it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import Self
from uuid import uuid4

PROGRAM = "prefdelta"  # in the command line of every process of this package, but not in Snakemake's own
_NAME = re.compile(r"(?P<host>.+)-(?P<pid>\d+)-(?P<token>[0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Instance:
    """A process. Its text is `<host>-<pid>-<token>`; the token distinguishes it from a later process of the same id."""

    host: str
    pid: int
    token: str  # 8 hexadecimal digits

    def __str__(self) -> str:
        return f"{self.host}-{self.pid}-{self.token}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The instance of that name; None if the text is not one."""
        match = _NAME.fullmatch(text.strip())
        return cls(match["host"], int(match["pid"]), match["token"]) if match else None

    @classmethod
    def in_file_name(cls, name: str) -> Self | None:
        """The instance that a file `[<anything>.]<instance>.<suffix>` belongs to; None for another name.

        <anything> and the host may both have dots, so they can be separated only if the host is this machine. For other
        instances, `host` begins with <anything>.
        """
        instance = cls.parse(name.rpartition(".")[0])
        if instance is None or not f".{instance.host}".endswith(f".{gethostname()}"):
            return instance
        return cls(gethostname(), instance.pid, instance.token)

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, on this machine."""
        return self.host == gethostname()

    def is_alive(self) -> bool | None:
        """Whether a process of its id runs; None if it is on another machine, where this is not known."""
        return is_alive(self.pid) if self.is_here else None

    def is_at_work(self) -> bool | None:
        """As `is_alive`, but False if the id now belongs to this process or to another program."""
        return is_at_work(self.pid) if self.is_here else None


INSTANCE = Instance(gethostname(), os.getpid(), uuid4().hex[:8])  # this process


def _begin_anew() -> None:
    """In a fork: it is another process. The object stays the same, as many modules have it by now."""
    object.__setattr__(INSTANCE, "pid", os.getpid())
    object.__setattr__(INSTANCE, "token", uuid4().hex[:8])


os.register_at_fork(after_in_child=_begin_anew)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs. A zombie (ended, not yet waited for) does not."""
    try:
        return bool(Path("/proc", str(pid), "environ").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:  # another user's process
        return True


def command_of(pid: int) -> list[str]:
    """The words of a process's command line; none if the process is gone, or the system does not show them."""
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    except OSError:
        return []


def is_at_work(pid: int) -> bool:
    """Whether another process of that id is alive and belongs to this package: ids are reused."""
    if pid == os.getpid():
        return False
    if Path("/proc/self").exists():
        return any(PROGRAM in word for word in command_of(pid))
    try:  # a system that does not show command lines
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
