"""Processes that compare answers of mathematics, one per thread, with hard limits on time and memory."""

import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from typing import Any, NoReturn

from prefdelta.core.answers.grading import GradingError
from prefdelta.core.errors import StudyError
from prefdelta.graders import maths_worker

CPU_SECONDS = 5.0  # processor time for one request, so that a busy machine changes no verdict
WALL_SECONDS = 60.0  # for one request, however busy the machine is
START_SECONDS = 300.0  # for importing sympy: a second, or minutes from a slow file system
# Watched from outside, not set as a limit inside, because sympy takes a MemoryError for "not equal".
MEMORY_BYTES = 2 * 2**30
_LOOK_SECONDS = 0.05

_of_thread = threading.local()


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """The reply of this thread's process to a request (see maths_worker).

    Raises GradingError: `time_out` if a limit on time was exceeded, `error` if the limit on memory was exceeded or the
    process failed. A process that has exceeded a limit is killed; the next request gets a new one. Raises StudyError if
    the process cannot start.
    """
    process = getattr(_of_thread, "process", None)
    if process is None or not process.usable():
        process = _of_thread.process = _Process()
    try:
        reply = process.ask(request)
    except BaseException:
        process.stop()  # or the next request would read this reply
        raise
    if "error" in reply:
        raise GradingError("error", reply["error"])
    return reply


class _Process:
    """Ends with the thread that made it, by `finalize` or by the kernel: the parent-death signal is per thread."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", maths_worker.__name__, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to the stage, whose end stops this process
            env={**os.environ, "PYTHONHASHSEED": "0"},  # sympy sorts by hash in places; all processes must agree
        )
        self.stop = weakref.finalize(self, _end, self._process)
        assert self._process.stdout is not None
        self._poll = select.poll()
        self._poll.register(self._process.stdout, select.POLLIN)
        try:
            self._read(START_SECONDS, START_SECONDS)
        except GradingError as error:  # the error would be the same for every trace
            raise StudyError(
                f"the process that grades mathematics did not start ({error}). Is math-verify installed, as pinned in "
                f"envs/? To see what it says, run: {sys.executable} -m {maths_worker.__name__} {os.getppid()}"
            ) from None

    def usable(self) -> bool:
        return self.stop.alive and self._process.poll() is None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            self._fail("error", "the process for mathematics stopped")
        reply: dict[str, Any] = self._read(CPU_SECONDS, WALL_SECONDS)
        return reply

    def _read(self, cpu_seconds: float, wall_seconds: float) -> Any:
        """The process's next line, as JSON. The limits hold from now on."""
        assert self._process.stdout is not None
        line, began, (used, _) = b"", time.monotonic(), self._usage()
        while not line.endswith(b"\n"):
            if self._poll.poll(_LOOK_SECONDS * 1000):
                part = os.read(self._process.stdout.fileno(), 65536)
                if not part:
                    self._fail("error", "the process for mathematics stopped")
                line += part
                continue
            cpu, memory = self._usage()
            if cpu - used > cpu_seconds or time.monotonic() - began > wall_seconds:
                self._fail("time_out", f"no result within {cpu_seconds:g} s")
            if memory > MEMORY_BYTES:
                self._fail("error", f"more than {MEMORY_BYTES:,} bytes of memory")
        return json.loads(line)

    def _usage(self) -> tuple[float, int]:
        """(seconds of processor time so far, bytes of memory now); zeros where there is no /proc."""
        try:
            with open(f"/proc/{self._process.pid}/stat", "rb") as stat:  # noqa: PTH123 - a few per second, no more
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            return 0.0, 0
        # <proc_pid_stat(5)>: utime and stime are fields 14 and 15, rss is 24; the first here is field 3.
        ticks = int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")

    def _fail(self, kind: str, detail: str) -> NoReturn:
        self.stop()
        raise GradingError(kind, detail)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # the process never read its request
                pipe.close()
