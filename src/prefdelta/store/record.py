"""The record: replies of models and values computed with them, each keyed by all that determines it.

A partition is a folder of append-only Parquet segments. A segment is published whole (temp, fsync, rename), has a
checksum on every page and one writer, so nothing is locked, several processes write at once, and a kill loses only
rows not yet flushed. At the start only the column of keys is read; rows are read on demand.
"""

import threading
import time
from collections.abc import Callable, Container, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from prefdelta.core.errors import DamagedError
from prefdelta.records.contract import Row
from prefdelta.store import tables
from prefdelta.system.files import set_aside
from prefdelta.system.instance import INSTANCE
from prefdelta.system.log import say
from prefdelta.system.processes import at_stop, uninterrupted

if TYPE_CHECKING:
    import pyarrow as pa

FLUSH_SECONDS = 4.0  # with the time of writing, a kill costs at most 5 s of work
FLUSH_ROWS = 5_000


class Keyed(Row, Protocol):
    """A row identified by its column `key`: a hash of all that determines it."""

    @property
    def key(self) -> str: ...


R = TypeVar("R", bound=Keyed)


class Record(Generic[R]):
    """One partition. As a context manager it flushes in the background, at a signal, and at its end."""

    def __init__(
        self,
        folder: Path,
        row_type: type[R],
        flush_seconds: float = FLUSH_SECONDS,
        flush_rows: int = FLUSH_ROWS,
        only_look: bool = False,
    ) -> None:
        """Read the keys of `folder`. At most flush_seconds of work, or flush_rows rows, wait to be written to disk.

        only_look: leave a damaged segment in place, so that other processes may be writing.
        """
        self._folder, self._row_type, self._only_look = folder, row_type, only_look
        self._flush_seconds, self._flush_rows = flush_seconds, flush_rows
        self._where: dict[str, Path] = {}  # key -> its segment
        for segment in self._segments():
            if (table := self._read(segment, ["key"])) is not None:
                for key in table.column("key").to_pylist():
                    self._where.setdefault(key, segment)
        self._unflushed: list[R] = []
        self._writing = threading.Lock()
        self._error: Exception | None = None  # of the background thread
        self._left = threading.Event()

    def missing(self, keys: Iterable[str]) -> set[str]:
        """The keys of `keys` that are not recorded."""
        return {key for key in keys if key not in self._where}

    def fetch(self, keys: Iterable[str]) -> dict[str, R]:
        """The recorded rows of `keys`. Rows of a segment that turns out to be damaged are missing from then on."""
        self.flush()
        wanted: dict[Path, set[str]] = {}
        for key in keys:
            if key in self._where:
                wanted.setdefault(self._where[key], set()).add(key)
        fetched: dict[str, R] = {}
        for segment, its_keys in wanted.items():
            rows = self._rows(segment, its_keys)
            if rows is None:
                self._where = {key: place for key, place in self._where.items() if place != segment}
            else:
                fetched.update((row.key, row) for row in rows)
        return fetched

    def append(self, row: R) -> None:
        """Add a row, unless its key is recorded already. Raises StudyError if the disk is full."""
        with self._writing:
            if self._error is not None:
                raise self._error
            if row.key in self._where:
                return
            self._unflushed.append(row)
            self._where[row.key] = self._folder  # the segment has no name yet
            full = len(self._unflushed) >= self._flush_rows
        if full:
            self.flush()

    def flush(self) -> None:
        """Publish the rows that are not yet on disk, as a new segment."""
        # Uninterrupted, because a last flush that is stopped half-way is not repeated.
        with uninterrupted(), self._writing:
            if self._unflushed:
                segment = self._new_segment()
                tables.write(segment, self._row_type, self._unflushed)
                self._where.update((row.key, segment) for row in self._unflushed)
                self._unflushed = []

    def forget(self, unwanted: Callable[[R], bool]) -> int:
        """Remove rows for good, and return how many. Segments that hold some are rewritten without them.

        No other process may write to the partition meanwhile. A kill leaves every other row in place. The new segment
        sorts like the old one, so of rows with the same key the first stays the first.
        """
        taken = 0
        for segment in self._segments():
            rows = self._rows(segment)
            kept = [row for row in rows or [] if not unwanted(row)]
            if rows is None or len(kept) == len(rows):
                continue
            if kept:
                tables.write(segment.with_name(f"{segment.stem}-.parquet"), self._row_type, kept)
            segment.unlink()
            taken += len(rows) - len(kept)
        return taken

    def __enter__(self) -> Self:
        self._left.clear()
        self._stack = ExitStack()
        self._stack.enter_context(at_stop(self.flush))
        background = threading.Thread(target=self._flush_regularly, daemon=True)
        background.start()
        self._stack.callback(self.flush)
        self._stack.callback(background.join)
        self._stack.callback(self._left.set)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _flush_regularly(self) -> None:
        """Flush even if no row comes for long: the last rows must not wait for the next."""
        while not self._left.wait(self._flush_seconds):
            try:
                self.flush()
            except Exception as error:  # `append` raises it
                self._error = error
                return

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob("*.parquet"))

    def _new_segment(self) -> Path:
        """A name that sorts after earlier ones: of two rows with the same key, the first published counts."""
        return self._folder / f"{time.time_ns()}-{INSTANCE}.parquet"

    def _read(self, segment: Path, columns: list[str] | None = None) -> "pa.Table | None":
        """A segment, or None if it is damaged: it is set aside, and its rows are missing."""
        try:
            return tables.read_arrow(segment, self._row_type, columns)
        except DamagedError as error:
            self._set_aside(error)
            return None
        except tables.MissingTableError:  # another process has set it aside, or rewritten it
            return None

    def _rows(self, segment: Path, keys: Container[str] | None = None) -> list[R] | None:
        """The rows of a segment (those of `keys` only), or None if it is damaged."""
        if (table := self._read(segment)) is None:
            return None
        if keys is not None:
            table = table.take([at for at, key in enumerate(table.column("key").to_pylist()) if key in keys])
        try:
            return tables.rows_of(segment, table, self._row_type)
        except DamagedError as error:
            self._set_aside(error)
            return None

    def _set_aside(self, error: DamagedError) -> None:
        if self._only_look:
            return
        with suppress(FileNotFoundError):  # another process has set it aside
            say(f"warning: {error.damage}\nwarning: it is now {set_aside(error.path)}; what it held will be made again")
