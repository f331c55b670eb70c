"""Failures in the record that no table reports.

A stage that stops writes no table. A judgement does not report a vote that failed while another one is a verdict.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from prefdelta.commands.dependents import RECORDED_IN
from prefdelta.records.call import Call
from prefdelta.records.judgement import Judgement
from prefdelta.records.trace import Trace
from prefdelta.stages import judge
from prefdelta.store import tables
from prefdelta.study.study import Study


class UnreportedFailure(NamedTuple):
    """The last attempt at a question, which failed."""

    failure: str
    key: str
    replied: bool  # whether a whole reply came, from which the failure results


def unreported_failures(
    study: Study, stage: str, absent: Iterable[Path], reported: Collection[str]
) -> list[UnreportedFailure]:
    """The failures in the record that belong to missing tables.

    absent: the missing tables. reported: keys of the record that other tables name. The result includes failures of
    requests with other settings than today's. Raises DamagedError if a segment cannot be read.
    """
    failures = list[UnreportedFailure]()
    for folder, failure_of in _partitions(study, stage, absent).items():
        last = dict[str, Any]()
        reported_questions = set[str]()
        for row in _rows(folder, stage):
            question, attempt = (row.question, row.attempt) if isinstance(row, Call) else (row.key, 0)
            if row.key in reported:
                reported_questions.add(question)
            if question not in last or attempt > last[question][0]:
                last[question] = (attempt, row)
        for question, (_, row) in last.items():
            if question not in reported_questions and (failure := failure_of(row)) is not None:
                failures.append(UnreportedFailure(failure, row.key, row.failure is None))
    return failures


def lost_votes(study: Study, judged: Iterable[Path]) -> list[UnreportedFailure]:
    """The votes whose failure is not that of their judgement, which mostly has other votes and no failure.

    judged: tables of judgements. Raises DamagedError if a segment cannot be read.
    """
    lost = list[UnreportedFailure]()
    for path in judged:
        rows = (row for row in tables.read(path, Judgement) if len(row.call_keys) > row.votes)
        reported = {key: row.failure for row in rows for key in row.call_keys}
        for folder, failure_of in _partitions(study, "judge", [path] if reported else []).items():
            for call in _rows(folder, "judge"):
                if call.key in reported and (failure := failure_of(call)) not in (None, reported[call.key]):
                    lost.append(UnreportedFailure(failure, call.key, replied=call.failure is None))
    return lost


def _partitions(study: Study, stage: str, absent: Iterable[Path]) -> dict[Path, Callable[[Any], str | None]]:
    """The folders of the record that these tables are made from -> the failure of a row there, or None."""
    record = Path(study.record) / RECORDED_IN[stage].folder
    failure_of = dict[Path, Callable[[Any], str | None]]()
    for path in absent:
        if stage == "judge":
            job = {"generator": path.parent.name, "form": path.stem}
            settings = judge.JudgeSettings.model_validate_json(study.settings("judge")(job))
            failure_of[record / f"{settings.form}~{settings.generator}"] = partial(judge.failure_of, settings)
        elif stage == "generate":
            failure_of[record / path.stem] = _failure_of_trace
        else:  # the folder of a policy or model, which only its weights name
            failure_of |= {folder: attrgetter("failure") for folder in record.glob("[!.]*") if folder.is_dir()}
    return failure_of


def _failure_of_trace(call: Call) -> str | None:
    """The failure that the table of traces would report."""
    if call.failure is not None:
        return call.failure
    reason, tokens = call.finish_reason, call.n_tokens
    return Trace("", "", 0, call.text, reason, tokens, 0, call.key, None).unusable_because


def _rows(folder: Path, stage: str) -> Iterator[Any]:
    for segment in sorted(folder.glob("*.parquet")):
        yield from tables.read(segment, RECORDED_IN[stage].row_type)
