"""The record of calls: every reply a model ever gave in this study, keyed by what determines it.

A partition is a folder of append-only Parquet segments. Segments are published whole (temp, fsync, rename) with page
checksums, so a kill loses what was not yet flushed and nothing else. Only the raw reply is kept: how it is parsed or
graded is decided again at each run, without a call.
"""

import os
import socket
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from prefdelta import tables
from prefdelta.core.errors import StudyError
from prefdelta.core.requests import Engine, Failure, Reply, Request
from prefdelta.progress import Progress
from prefdelta.records.call import Call

FLUSH_SECONDS = 5.0
FLUSH_ROWS = 5_000


class Record:
    """One partition of the record. Many may write to it at once: each writes segments of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: dict[str, Call] = {}
        self._unflushed: list[Call] = []
        self._flushed_at = time.monotonic()
        for segment in sorted(folder.glob("*.parquet")):
            for row in _readable(segment):
                self._rows.setdefault(row.key, row)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> Call:
        return self._rows[key]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def append(self, call: Call) -> None:
        """Add a row; it is on disk after at most FLUSH_SECONDS of further work or FLUSH_ROWS rows."""
        if self._rows.setdefault(call.key, call) is not call:
            return
        self._unflushed.append(call)
        late = time.monotonic() - self._flushed_at >= FLUSH_SECONDS
        if late or len(self._unflushed) >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Publish what is not yet on disk as a segment of its own."""
        if self._unflushed:
            name = f"{time.time_ns()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.parquet"
            tables.write(self._folder / name, Call, self._unflushed)
            self._unflushed = []
        self._flushed_at = time.monotonic()


def _readable(segment: Path) -> list[Call]:
    """The rows of a segment, or none if it is damaged: its calls are then made again."""
    try:
        return tables.read(segment, Call)
    except StudyError as error:
        sys.stderr.write(f"warning: {error}\nwarning: the calls of this segment will be made again\n")
        return []


def complete(engine: Engine, requests: Sequence[Request], record: Record, what: str) -> list[Call]:
    """The calls of all requests, in their order: from the record, and by asking the engine for what is missing.

    Raises StudyError if requests remain without an answer (transient failures, which are not recorded). What did
    come back is kept, so the same command asks only for the rest.
    """
    identity = engine.identity()
    plan = [(request.key(identity), request) for request in requests]
    missing = {key for key, _ in plan if key not in record}
    sys.stderr.write(f"{what}: {len(plan):,} requests, {len(plan) - len(missing):,} of them recorded\n")
    if missing:
        sys.stderr.write(f"{what}: the first missing request is\n{_shown(plan, missing)}\n")
        transient: list[Failure] = []
        progress = Progress(what, len(missing), "requests")
        with record:
            for result in engine.run(plan, missing):
                progress.add()
                if isinstance(result, Failure) and not result.permanent:
                    transient.append(result)
                else:
                    record.append(_call(result))
        progress.close()
        if unanswered := [key for key, _ in plan if key not in record]:
            told = f"; the last failure: {transient[-1].kind} {transient[-1].detail}" if transient else ""
            raise StudyError(
                f"{what}: {len(unanswered):,} of {len(plan):,} requests got no answer{told}. What did come back is "
                "recorded; run the same command again to ask for the rest."
            )
    return [record[key] for key, _ in plan]


def _call(result: Reply | Failure) -> Call:
    made_at, host = time.time(), socket.gethostname()
    if isinstance(result, Failure):
        return Call(result.key, None, None, None, result.kind, None, None, made_at, host)
    return Call(
        key=result.key,
        # A lone surrogate (JSON may hold one) has no UTF-8: it is kept as its escape.
        text=None if result.text is None else result.text.encode("utf-8", "backslashreplace").decode("utf-8"),
        finish_reason=result.finish_reason,
        n_tokens=result.n_tokens,
        failure=None,
        model=result.model,
        seconds=result.seconds,
        made_at=made_at,
        host=host,
    )


def _shown(plan: Sequence[tuple[str, Request]], missing: set[str]) -> str:
    request = next(request for key, request in plan if key in missing)
    return "\n".join(f"--- {role}\n{content}" for role, content in request.messages) + "\n---"
