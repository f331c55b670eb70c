"""Progress for people: what, how many of how many, rate, time left. And read again, from a log."""

import re
import sys
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from prefdelta.system.files import say

_MARKS = 12  # lines that a rate goes back


class Progress:
    """Counts work done and says so every few seconds: plain lines in the log (stderr), and on a terminal (stdout)."""

    def __init__(self, what: str, total: int, unit: str, done: int = 0, every: float = 5.0) -> None:
        """done: of `total`, before now. It does not count for the rate."""
        self._what, self._total, self._unit, self._every = what, total, unit, every
        self._done = self._before = done
        self._start = self._said = self._last = time.monotonic()
        self._marks = deque[tuple[float, int]](maxlen=_MARKS)  # (seconds, done) of the lines before
        self._first: float | None = None  # when something was first done

    def add(self, n: int = 1) -> None:
        """`n` more are done."""
        now = time.monotonic()
        if now - self._said >= self._every:
            self._said = now
            if self._done > self._before:
                # What came before this: replies may come in batches, and a batch's first one took the time of all.
                self._say_rate_of_late()
        if self._first is None:
            self._first = now
        self._done += n
        self._last = now

    def close(self) -> None:
        """The last line, with the rate over all."""
        self._say(self._done - self._before, time.monotonic() - self._start)

    def _say_rate_of_late(self) -> None:
        """A line with the rate of the last minute or so, without the time that a start took (loading a model)."""
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
        """done, seconds: what the rate is made of."""
        rate = done / max(seconds, 1e-9)
        left = (self._total - self._done) / rate if rate else float("inf")
        ending = f"{left:.0f} s left" if self._done < self._total else f"{seconds:.1f} s"
        line = f"{self._what}: {self._done:,}/{self._total:,} {self._unit}, {rate:,.1f}/s, {ending}"
        say(line)
        if sys.stdout.isatty():
            with suppress(OSError):  # the terminal may be gone
                sys.stdout.write(line + "\n")
                sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Told:
    """What a line of progress says."""

    what: str
    done: int
    total: int
    unit: str
    rate: float  # per second
    left: float | None  # seconds; None if it does not know


_LINE = re.compile(
    r"(?P<what>.+): (?P<done>[\d,]+)/(?P<total>[\d,]+) (?P<unit>\S+), (?P<rate>[\d,.]+)/s, (?P<ending>.+)"
)


def last_told(lines: Iterable[str]) -> Told | None:
    """The last line of progress in a log, if there is one."""
    for line in reversed(list(lines)):
        if found := _LINE.fullmatch(line):
            done, total = (int(found[name].replace(",", "")) for name in ("done", "total"))
            seconds, is_left, _ = found["ending"].partition(" s left")
            left = 0.0 if done >= total else float(seconds) if is_left and seconds.isdigit() else None
            return Told(found["what"], done, total, found["unit"], float(found["rate"].replace(",", "")), left)
    return None
