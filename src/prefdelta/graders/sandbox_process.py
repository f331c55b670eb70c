"""The process of a jail, seen from outside: bubblewrap, and messages to and from process 1 of the jail."""

import os
import select
import struct
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from prefdelta.core.answers.grading import GradingError
from prefdelta.graders.sandbox_harness import READY

SPARE_SECONDS = 30.0  # for starting, sending and killing; after them the jail counts as broken


class JailProcess:
    """A jail that starts while others work. It ends with the thread that made it: by `stop`, or by the kernel.

    Every method raises GradingError("error") if the jail breaks.
    """

    def __init__(self, command: Callable[..., list[str]], files: Sequence[bytes]) -> None:
        """command: makes bubblewrap's command line, given a file descriptor for each of `files`."""
        self._stderr = tempfile.TemporaryFile()  # messages of bubblewrap and process 1  # noqa: SIM115
        with _readable(files) as numbers:
            self._process = subprocess.Popen(
                command(*numbers),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                pass_fds=numbers,
                start_new_session=True,  # only this process handles Ctrl-C
            )
        assert self._process.stdin
        assert self._process.stdout
        os.set_blocking(self._process.stdin.fileno(), False)
        self._to, self._from = self._process.stdin, self._process.stdout
        self._maker = os.getpid()
        self._end = weakref.finalize(self, _end, self._process, self._stderr)
        self._end.atexit = False  # the kernel ends it with this process

    def usable(self) -> bool:
        """Whether it runs, and for this process, not for one that was forked into this."""
        return self._maker == os.getpid() and self._process.poll() is None

    def wait_until_ready(self) -> None:
        ready = self.receive(SPARE_SECONDS)
        if ready != READY:
            raise GradingError("error", f"the sandbox did not start: {ready[:80]!r}")

    def send(self, message: bytes) -> None:
        ends = time.monotonic() + SPARE_SECONDS
        left = memoryview(struct.pack(">Q", len(message)) + message)
        while left:
            self._wait(self._to, select.POLLOUT, ends)
            try:
                left = left[os.write(self._to.fileno(), left) :]
            except BrokenPipeError:
                raise self._broken() from None

    def receive(self, seconds: float) -> bytes:
        """The next message, which process 1 must have sent within `seconds`."""
        ends = time.monotonic() + seconds
        return self._read(struct.unpack(">Q", self._read(8, ends))[0], ends)

    def stop(self) -> None:
        """Close the jail, and wait until all its processes have ended."""
        self._to.close()
        poller = select.poll()
        poller.register(self._from, 0)  # it hangs up when nobody can write to it any more
        poller.poll(SPARE_SECONDS * 1000)
        self._end()

    def kill(self) -> None:
        self._process.kill()

    def _read(self, length: int, ends: float) -> bytes:
        data = bytearray()
        while len(data) < length:
            self._wait(self._from, select.POLLIN, ends)
            chunk = os.read(self._from.fileno(), min(length - len(data), 2**20))
            if not chunk:
                raise self._broken()
            data += chunk
        return bytes(data)

    def _wait(self, pipe: IO[bytes], event: int, ends: float) -> None:
        poller = select.poll()
        poller.register(pipe, event)
        if not poller.poll(max(0.0, ends - time.monotonic()) * 1000):
            raise self._broken()

    def _broken(self) -> GradingError:
        self._process.kill()
        code = self._process.wait()
        self._stderr.seek(0)
        output = self._stderr.read().decode(errors="replace").strip()
        return GradingError("error", f"the sandbox broke (exit code {code}): {output[-2000:] or 'no output'}")


def _end(process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for file in (process.stdin, process.stdout, stderr):
        if file:
            with suppress(OSError):
                file.close()


@contextmanager
def _readable(files: Sequence[bytes]) -> Iterator[list[int]]:
    """File descriptors from which `files` can be read. Not pipes, which may hold as little as one page."""
    numbers: list[int] = []
    try:
        for content in files:
            numbers.append(os.memfd_create("jail"))
            with open(numbers[-1], "wb", closefd=False) as file:
                file.write(content)
            os.lseek(numbers[-1], 0, os.SEEK_SET)
        yield numbers
    finally:
        for number in numbers:
            os.close(number)
