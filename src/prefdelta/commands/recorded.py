"""Failures in the record of which no table tells: a stage that stops writes none."""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from prefdelta.commands.dependents import PROJECTED
from prefdelta.records.call import Call
from prefdelta.records.trace import Trace
from prefdelta.stages import judge
from prefdelta.store import tables
from prefdelta.study.study import Study


class Untold(NamedTuple):
    """The last attempt at a question, which failed."""

    failure: str
    key: str
    replied: bool  # a whole reply came, and the failure is what it came to


def untold(study: Study, stage: str, absent: Iterable[Path], told: Collection[str]) -> list[Untold]:
    """What failed in the record for tables that are not there.

    absent: these tables. told: keys of the record that other tables name. Raises DamagedError if a segment cannot be
    read. Of what was asked with other settings than today's, too, the record keeps what failed.
    """
    found = list[Untold]()
    for folder, failure_of in _partitions(study, stage, absent).items():
        last = dict[str, Any]()
        known = set[str]()
        for row in _rows(folder, stage):
            question, attempt = (row.question, row.attempt) if isinstance(row, Call) else (row.key, 0)
            if row.key in told:
                known.add(question)
            if question not in last or attempt > last[question][0]:
                last[question] = (attempt, row)
        for question, (_, row) in last.items():
            if question not in known and (failure := failure_of(row)) is not None:
                found.append(Untold(failure, row.key, row.failure is None))
    return found


def _partitions(study: Study, stage: str, absent: Iterable[Path]) -> dict[Path, Callable[[Any], str | None]]:
    """The folders of the record that these tables are projected from, and what makes a row of each a failure."""
    record = Path(study.record) / PROJECTED[stage].folder
    found = dict[Path, Callable[[Any], str | None]]()
    for path in absent:
        if stage == "judge":
            job = {"generator": path.parent.name, "form": path.stem}
            settings = judge.JudgeSettings.model_validate_json(study.settings("judge")(job))
            found[record / f"{settings.form}~{settings.generator}"] = partial(judge.failure_of, settings)
        elif stage == "generate":
            found[record / path.stem] = _failure_of_trace
        else:  # of a policy or model, which only its weights name
            found |= {folder: attrgetter("failure") for folder in record.glob("[!.]*") if folder.is_dir()}
    return found


def _failure_of_trace(call: Call) -> str | None:
    """As the table of traces would tell it."""
    if call.failure is not None:
        return call.failure
    reason, tokens = call.finish_reason, call.n_tokens
    return Trace("", "", 0, call.text, reason, tokens, 0, call.key, None).unusable_because


def _rows(folder: Path, stage: str) -> Iterator[Any]:
    for segment in sorted(folder.glob("*.parquet")):
        yield from tables.read(segment, PROJECTED[stage].row_type)
