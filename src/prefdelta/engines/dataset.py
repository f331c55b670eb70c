"""Engine `dataset`: traces that a data set holds already. Nothing is asked; a reply is looked up.

A row belongs to a prompt if the prompts stage makes that prompt of it: by the problem's text, never by its place.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.items import Row, read_items
from prefdelta.core.requests import Failure, Reply, Request
from prefdelta.core.sources import DataSource, TraceFields
from prefdelta.hub import dataset_identity, dataset_rows
from prefdelta.records.prompt import Prompt

VERSION = 1  # raise it when the same request would get another reply
NO_TRACE = "no_trace"  # the data set holds fewer traces of this problem


class DatasetEngine:
    """The traces in the columns `traces` of a source: the n-th of a row is sample n of its prompt."""

    def __init__(self, source: DataSource, traces: TraceFields) -> None:
        self._source, self._traces = source, traces

    def identity(self) -> dict[str, Any]:
        return {
            "engine": "dataset",
            "version": VERSION,
            "dataset": dataset_identity(self._source.dataset, self._source.revision),
            "source": self._source.model_dump(exclude={"dataset", "revision", "grader"}),
            "traces": self._traces.model_dump(),
        }

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        wanted: dict[str, list[tuple[str, int]]] = {}  # prompt -> (key, sample)
        for key, request in plan:
            if key in missing:
                assert request.prompt_id is not None
                wanted.setdefault(request.prompt_id, []).append((key, request.sample))
        source = self._source
        rows = dataset_rows(source.dataset, source.revision, source.config, source.split, source.files)
        for number, (row, prompt) in enumerate(read_items(rows, source, "train"), start=1):
            if isinstance(prompt, Prompt) and prompt.prompt_id in wanted:
                for key, sample in wanted.pop(prompt.prompt_id):
                    yield self._reply(row, key, sample, f"{source.dataset}, row {number:,}")
            if not wanted:
                return
        for asked in wanted.values():
            for key, _ in asked:
                yield Failure(key, NO_TRACE, permanent=True, detail="the data set does not have the problem")

    def _reply(self, row: Row, key: str, sample: int, where: str) -> Reply | Failure:
        columns = self._traces
        text = _nth(row, columns.generations, sample, where)
        if text is None:
            return Failure(key, NO_TRACE, permanent=True)
        if not isinstance(text, str):
            raise StudyError(f"{where}: column {columns.generations!r} holds {type(text).__name__}, not texts.")
        cut = columns.finish is not None and _nth(row, columns.finish, sample, where) == "length"
        whole = columns.complete is None or _nth(row, columns.complete, sample, where) is True
        correct = None if columns.correct is None else _nth(row, columns.correct, sample, where)
        finish_reason = "stop" if whole and not cut else "length"
        return Reply(key, text, finish_reason, None, source_correct=None if correct is None else bool(correct))


def _nth(row: Row, column: str, sample: int, where: str) -> Any:
    """The element of a column's list that belongs to a trace; None if the list is null or too short."""
    if column not in row:
        raise StudyError(f"{where}: there is no column {column!r} for its traces. It has: {', '.join(row)}.")
    values = row[column]
    return values[sample] if values is not None and sample < len(values) else None
