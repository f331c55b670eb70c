"""Running a stage in this process, and what is true of every stage's tables."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pyarrow import parquet

from prefdelta.core.asking.engine_options import OpenAIOptions, RulesServer, TransformersOptions
from prefdelta.core.settings import Settings
from prefdelta.records.call import Call
from prefdelta.records.contract import Row
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.workflow.job import Job, Outcome

R = TypeVar("R", bound=Row)

RESOURCES = Path(__file__).parents[2] / "resources"
PROBLEM_TEMPLATE = RESOURCES / "templates/problem.md"
JUDGE_TEMPLATE = RESOURCES / "templates/judge.md"
RUBRICS = RESOURCES / "rubrics"
DIMENSIONS = ["computational_precision", "signal_to_noise"]

IN_PROCESS = TransformersOptions(name="transformers", batch_size=16)
RULES_JUDGE = OpenAIOptions(
    name="openai", model="rules", server=RulesServer(name="rules", noise=0.0), in_flight=8, deadline_s=60.0
)


def run(
    stage: ModuleType,
    settings: Settings,
    inputs: Mapping[str, Path | Sequence[Path]],
    outputs: Mapping[str, Path | Sequence[Path]],
    record: Path,
) -> Outcome:
    """Run a stage as its command line would, without the manifest."""
    outcome: Outcome = stage.run(Job(settings, _listed(inputs), _listed(outputs), record))
    return outcome


def _listed(files: Mapping[str, Path | Sequence[Path]]) -> dict[str, list[Path]]:
    return {name: [found] if isinstance(found, Path) else list(found) for name, found in files.items()}


def read_checked(path: Path, row_type: type[R]) -> list[R]:
    """A table's rows, after checking its types and its order."""
    assert parquet.read_schema(path).equals(tables.schema(row_type), check_metadata=True)
    rows = tables.read(path, row_type)
    keys = [attrgetter(*row_type.KEY)(row) for row in rows]
    assert keys == sorted(set(keys)), "rows are unsorted, or two have one key"
    return rows


def assert_adds_up(outcome: Outcome, rows_in: int, rows_fine: int) -> None:
    """Nothing is lost: rows in = rows fine + typed failures + rows that were not selected."""
    assert outcome.rows == rows_in
    assert rows_in == rows_fine + sum(outcome.failures.values()) + outcome.not_selected


def files_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder with its size and time of change (ns)."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def recorded(folder: Path) -> list[Call]:
    """All calls of a partition of the record."""
    return [call for segment in sorted(folder.glob("*.parquet")) for call in tables.read(segment, Call)]


def trace_of(
    prompt_id: str, generator: str, text: str | None, finish_reason: str | None = "stop", **more: Any
) -> Trace:
    """A trace written by hand."""
    values = {"sample": 0, "n_tokens": len(text or "") + 1, "seed": 1, "call_key": "by hand", "failure": None, **more}
    return Trace(prompt_id=prompt_id, generator=generator, text=text, finish_reason=finish_reason, **values)
