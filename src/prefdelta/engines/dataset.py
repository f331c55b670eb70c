"""Engine `dataset`: traces that a data set ships. No model is asked; replies are looked up.

A row belongs to a prompt if the prompts stage makes that prompt from it: by the problem's text, never by its place.
Several rows of one problem ship its traces one after the other, in the data set's order.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from prefdelta.core.asking.requests import Failure, Reply, Request
from prefdelta.core.data.items import read_rows
from prefdelta.core.data.shipped import ShippedTrace, read_traces
from prefdelta.core.data.sources import DataSource, TraceFields
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.models.data_sets import dataset_identity, dataset_rows
from prefdelta.records.prompt import Prompt

VERSION = 2  # raise it when the same request would get another reply
NO_TRACE = "no_trace"  # the data set has too few traces of this problem
ENDED_OTHERWISE = "ended_otherwise"  # neither complete nor truncated: stopped by a filter, by an error, ...


class DatasetEngine:
    """Gives the traces in the columns `traces` of a source. The n-th trace of a problem is sample n of its prompt."""

    def __init__(self, source: DataSource, traces: TraceFields) -> None:
        self._source, self._traces = source, traces

    def identity(self) -> dict[str, Any]:
        return {
            "engine": "dataset",
            "version": VERSION,
            "dataset": dataset_identity(self._source.dataset, self._source.revision),
            "source": self._source.model_dump(
                exclude={"dataset": True, "revision": True, "grader": True, "fields": {"id"}}
            ),
            "traces": self._traces.model_dump(),
        }

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        wanted: dict[str, dict[int, str]] = {}  # prompt -> sample -> key
        for key, request in plan:
            if key in missing:
                assert request.prompt_id is not None
                wanted.setdefault(request.prompt_id, {})[request.sample] = key
        shipped = Counter[str]()  # prompt -> number of its traces in the rows so far
        source = self._source
        rows = dataset_rows(source.dataset, source.revision, source.config, source.split, source.files)
        for number, (row, prompt) in enumerate(read_rows(rows, source, TRAINING_PROMPTS), start=1):
            if not wanted:
                return
            if not isinstance(prompt, Prompt) or prompt.prompt_id not in wanted:
                continue
            keys = wanted[prompt.prompt_id]
            for trace in read_traces(row, self._traces, f"{source.dataset}, row {number:,}"):
                sample = shipped[prompt.prompt_id]
                shipped[prompt.prompt_id] += 1
                if sample in keys:
                    yield _answer(keys.pop(sample), trace)
            if not keys:
                del wanted[prompt.prompt_id]
        for prompt_id, keys in wanted.items():
            detail = f"the data set has {shipped[prompt_id]} traces of the problem"
            for key in keys.values():
                yield Failure(key, NO_TRACE, permanent=True, detail=detail)


def _answer(key: str, trace: ShippedTrace) -> Reply | Failure:
    if trace.text is None:
        return Failure(key, NO_TRACE, permanent=True, detail="null in the place of the trace")
    if trace.ended_otherwise:
        return Failure(key, ENDED_OTHERWISE, permanent=True, detail=trace.finish_reason, text=trace.text)
    return Reply(key, trace.text, trace.finish_reason, None, source_correct=trace.correct)
