"""Progress of a piece of work: lines for people, and reports for programs (`system.events`)."""

import os
import sys
import time
from collections import deque
from contextlib import suppress

from prefdelta.system import events
from prefdelta.system.log import say

SHOWN = "PREFDELTA_PROGRESS_SHOWN"  # set in the environment: another process shows the progress on the terminal
_MARKS = 12  # lines over which a rate is measured


class Progress:
    """Counts work done and says so every few seconds: in the log (stderr), on a terminal (stdout), and as an event."""

    def __init__(self, what: str, total: int, unit: str, done: int = 0, every: float = 5.0) -> None:
        """done: how many of `total` were done before; not part of the rate. every: seconds between two lines."""
        self._what, self._total, self._unit, self._every = what, total, unit, every
        self._done = self._before = done
        self._start = self._said = self._last = time.monotonic()
        self._marks = deque[tuple[float, int]](maxlen=_MARKS)  # (seconds, done) of the lines before
        self._first: float | None = None  # when something was first done

    def add(self, n: int = 1) -> None:
        """Count `n` more as done."""
        now = time.monotonic()
        if now - self._said >= self._every:
            self._said = now
            if self._done > self._before:
                # The rate before this call: replies may come in batches, and a batch's first one took the time of all.
                self._say_recent_rate()
        if self._first is None:
            self._first = now
        self._done += n
        self._last = now

    def close(self) -> None:
        """Say the last line, with the rate over all."""
        self._say(self._done - self._before, time.monotonic() - self._start)

    def _say_recent_rate(self) -> None:
        """Say a line with the rate of the last minute or so, without the time that a start took (loading a model)."""
        assert self._first is not None
        if self._marks:
            since, then = self._marks[0]
        elif self._last - self._first >= self._every / 2:  # steadily, and not in one batch
            since, then = self._first, self._before + 1
        else:
            since, then = self._start, self._before
        self._say(self._done - then, self._last - since)
        self._marks.append((self._last, self._done))

    def _say(self, done: int, seconds: float) -> None:
        """done, seconds: the work and the time of the rate."""
        rate = done / max(seconds, 1e-9)
        left = (self._total - self._done) / rate if rate else float("inf")
        ending = f"{left:.0f} s left" if self._done < self._total else f"{seconds:.1f} s"
        line = f"{self._what}: {self._done:,}/{self._total:,} {self._unit}, {rate:,.1f}/s, {ending}"
        say(line)
        seconds_left = 0.0 if self._done >= self._total else round(left, 1) if rate else None
        events.report(events.Report(self._what, self._done, self._total, self._unit, round(rate, 3), seconds_left))
        if sys.stdout.isatty() and not os.environ.get(SHOWN):
            with suppress(OSError):  # the terminal may be gone
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
