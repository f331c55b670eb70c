"""What a run does, seen from outside: its processes in /proc, and what they publish. Nothing here asks the package.

A stage's process first reads (imports, weights) and then works. It is taken to read as long as /proc and its log say
so; a process that computes reads next to nothing. So no start-up counts as work that a kill loses.
"""

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pyarrow import parquet

from faults.study import JUDGE_IN_FLIGHT

MARK = "PREFDELTA_FAULTS_RUN"  # in the environment of all that one run starts
TICK = 0.1  # seconds between two looks
_READING = 256 * 1024  # bytes between two looks, above which a process still reads
# Stages that do a model's work, and where in the record what they publish lies.
_PUBLISHED = {
    "ladder": "models",
    "generate": "calls/generate",
    "judge": "calls/judge",
    "reference": "reference",
    "train": "policies",
    "evaluate": "calls/evaluate",
}
_CHECKPOINTS = ("models", "policies")
_LOADS_WEIGHTS = ("generate", "reference", "train", "evaluate")
_LOADED = "Loading weights"  # transformers says so in the log
_COUNT = re.compile(r": ([\d,]+)/([\d,]+) (?:requests|traces),")
_SERVED = re.compile(r"^rules: served (\d+) verdicts$", re.MULTILINE)
_BEFORE = re.compile(r": [\d,]+ requests, ([\d,]+) of them recorded")  # of the round that begins


def processes_of(mark: str) -> list[int]:
    """Process ids of all that a run started and that still live."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended meanwhile, or is a kernel's
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def stage_of(pid: int) -> str | None:
    """The stage that a process runs: python -m prefdelta.stages.<stage> ..."""
    words = _command(pid)
    if len(words) > 2 and words[1] == "-m" and words[2].startswith("prefdelta.stages."):
        return words[2].rpartition(".")[2]
    return None


@dataclass
class StageProcess:
    """One process that does a model's work. Times are as `time.time()` gives them."""

    pid: int
    stage: str
    record: Path
    log: Path
    working_since: float
    seen_read: int = 0  # bytes
    has_loaded: bool = False
    has_all: bool = False  # the last thing that it counted came in full, so it only writes tables now
    work_folders: set[Path] = field(default_factory=set)  # record/<kind>/.<key>.<job>.work of the checkpoints it makes

    def worked(self, at: float) -> float:
        """Seconds of work up to that time, published or not."""
        return max(0.0, at - self.working_since)

    def lost(self, at: float) -> float:
        """Seconds of work before that time of which nothing is on disk."""
        return 0.0 if self.has_all else max(0.0, at - max(self.working_since, self._published()))

    def unrecorded_replies(self) -> int:
        """Replies that its log counts and the record does not hold. For a process that ended by a signal."""
        if _PUBLISHED[self.stage] in _CHECKPOINTS:
            return 0
        rows = sum(parquet.read_metadata(segment).num_rows for segment in self._segments())
        # The last round's; a reply is counted just before it is recorded, so the signal may come between the two.
        before, done, _ = self._last_count()
        return max(0, done - before - 1 - rows)

    def lost_verdicts(self) -> int:
        """Verdicts that the judge's own server says it served and the record does not hold, beyond those in flight.

        0 where the server was killed before it could say so. For a process that ended by a signal.
        """
        served = sum(map(int, _SERVED.findall(self._told())))
        rows = sum(parquet.read_metadata(segment).num_rows for segment in self._segments())
        return max(0, served - rows - JUDGE_IN_FLIGHT)

    def look(self) -> bool:
        """Bring what is known of it up to date. False if it has ended."""
        try:
            told = Path(f"/proc/{self.pid}/io").read_text(encoding="ascii")
        except OSError:
            return False
        read = int(told.splitlines()[0].removeprefix("rchar: "))
        self.has_loaded = self.has_loaded or self.stage not in _LOADS_WEIGHTS or _LOADED in self._told()
        _, done, total = self._last_count()
        self.has_all = 0 < done == total and self._published() > 0
        if not self.has_loaded or (read - self.seen_read > _READING and not self._published()):
            self.working_since = time.time()
        self.seen_read = read
        if (kind := _PUBLISHED[self.stage]) in _CHECKPOINTS:
            found = (self.record / kind).glob(f".*.work/result-*-{self.pid}-*")
            self.work_folders.update(path.parent for path in found)
        return True

    def _told(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _last_count(self) -> tuple[int, int, int]:
        """Of the last round that its log tells of: the replies there were before it, those it counts, and how many of
        them there are to be; (_, 0, 0) if it has counted none yet."""
        *_, before, told = "0", *_BEFORE.split(self._told())  # each round begins with what is there already
        done, total = (_COUNT.findall(told) or [("0", "0")])[-1]
        return _number(before), _number(done), _number(total)

    def _published(self) -> float:
        """When it last published something; 0.0 if it has not."""
        if _PUBLISHED[self.stage] not in _CHECKPOINTS:
            return _newest(self._segments())
        seals: list[Path] = []
        for work in self.work_folders:
            key = work.name.split(".")[1]
            seals += [*work.glob("snapshots/*/sealed.json"), work.with_name(key) / "sealed.json"]
        return _newest(seals)

    def _segments(self) -> list[Path]:
        return list((self.record / _PUBLISHED[self.stage]).rglob(f"[0-9]*-{self.pid}-*.parquet"))


class Watch:
    """All processes of one run that do a model's work, as far as `look` saw them."""

    def __init__(self, mark: str, folder: Path) -> None:
        """folder: where the run was started."""
        self._mark, self._folder = mark, folder
        self._seen: dict[int, StageProcess] = {}

    def look(self) -> list[StageProcess]:
        """Those that live now."""
        alive = []
        for pid in processes_of(self._mark):
            process = self._seen.get(pid) or self._new(pid)
            if process is not None and process.look():
                self._seen[pid] = process
                alive.append(process)
        return alive

    def stages(self) -> list[str]:
        """The stages that run now, also those without a model."""
        return [stage for pid in processes_of(self._mark) if (stage := stage_of(pid)) is not None]

    def _new(self, pid: int) -> StageProcess | None:
        stage, words = stage_of(pid), _command(pid)
        if stage not in _PUBLISHED or "--record" not in words:
            return None
        with suppress(OSError):
            record, log = self._folder / words[words.index("--record") + 1], Path(f"/proc/{pid}/fd/2").readlink()
            # A child that is about to become another program (git, a server) still has its parent's command line, but
            # writes to a pipe: it is no stage.
            return StageProcess(pid, stage, record, log, time.time()) if log.is_file() else None
        return None


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
    except OSError:
        return []


def _number(told: str) -> int:
    return int(told.replace(",", ""))


def _newest(paths: Iterable[Path]) -> float:
    found = 0.0
    for path in paths:
        with suppress(FileNotFoundError):  # an old snapshot, removed meanwhile
            found = max(found, path.stat().st_mtime)
    return found
