"""A command on a terminal: what it writes there, and keys pressed."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROWS, COLUMNS = 24, 100
CTRL_C = b"\x03"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command whose input, output and controlling terminal is a pseudo-terminal of its own."""

    def __init__(self, words: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**env, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._written = b""

    @property
    def written(self) -> str:
        """All that was written, with the signs that control the terminal."""
        return self._written.decode("utf-8", "replace")

    def until(self, text: str, seconds: float = 60) -> None:
        """Wait until something was written."""
        ends = time.monotonic() + seconds
        while text not in self.written:
            assert time.monotonic() < ends, f"not within {seconds} s:\n{self.written}"
            assert self._read(), f"it has ended:\n{self.written}"

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def wait(self, seconds: float = 120) -> int:
        """The exit code, once all is written."""
        ends = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < ends, self.written
        os.close(self._ours)
        return self.process.wait(10)

    def lines(self) -> list[str]:
        """What stands on the terminal at last, if it never scrolls; without colours.

        Understood is what a bottom line needs: to the line's start, up a line, erase a line.
        """
        screen, row = [""], 0
        for part in re.split(r"(\r\n|\r|\n|\x1b\[1A|\x1b\[2K)", self.written):
            if part in ("\r\n", "\n"):
                row += 1
                screen += [""] * (row == len(screen))
            elif part == "\x1b[1A":
                row -= 1
            elif part == "\x1b[2K":
                screen[row] = ""
            elif part != "\r":
                screen[row] += _CONTROL.sub("", part)
        return screen

    def _read(self) -> bool:
        """Read what is there, waiting a moment for it. False at the end."""
        if not select.select([self._ours], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:  # Linux's way to say that the other side is closed
            return False
        self._written += data
        return bool(data)
