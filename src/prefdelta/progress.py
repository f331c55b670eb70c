"""Progress for people: what, how many of how many, rate, time left."""

import sys
import time
from contextlib import suppress

from prefdelta.files import say


class Progress:
    """Counts work done and says so every few seconds: plain lines in the log (stderr), and on a terminal (stdout)."""

    def __init__(self, what: str, total: int, unit: str, every: float = 5.0) -> None:
        self._what, self._total, self._unit, self._every = what, total, unit, every
        self._done = 0
        self._start = self._said = time.monotonic()

    def add(self, n: int = 1) -> None:
        """`n` more are done."""
        self._done += n
        now = time.monotonic()
        if now - self._said >= self._every:
            self._said = now
            self._say(now - self._start)

    def close(self) -> None:
        """The last line, with the rate over all."""
        self._say(time.monotonic() - self._start)

    def _say(self, seconds: float) -> None:
        rate = self._done / max(seconds, 1e-9)
        left = (self._total - self._done) / rate if rate else float("inf")
        ending = f"{left:.0f} s left" if self._done < self._total else f"{seconds:.1f} s"
        line = f"{self._what}: {self._done:,}/{self._total:,} {self._unit}, {rate:,.1f}/s, {ending}"
        say(line)
        if sys.stdout.isatty():
            with suppress(OSError):  # the terminal may be gone
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
