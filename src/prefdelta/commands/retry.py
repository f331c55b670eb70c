"""Ask again what failed in one way, and only that.

Finds the rows of a stage's tables whose `failure` is the one named, forgets in the record what was asked for them (all
attempts at each question), and deletes these tables: so the next run asks for them again, and takes all other rows of
the same tables from the record. Where a stage stopped and wrote no table, failures are found in the record itself. A
failure that is in neither gets a list of those that are.
"""

import argparse
import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prefdelta.commands import shared
from prefdelta.commands.dependents import PROJECTED, forgetting, standing
from prefdelta.commands.recorded import untold
from prefdelta.core.errors import StudyError
from prefdelta.core.names import STAGES
from prefdelta.records.grade import Grade
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.study.study import Study


class Failed(NamedTuple):
    """A row of a table that has a failure."""

    failure: str
    key: str | None  # in the record; None where nothing was asked
    generator: str | None
    replied: bool  # the failure is what a whole reply came to


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stage", required=True, help=", ".join(PROJECTED))
    parser.add_argument("--where", required=True, metavar="FAILURE", help="as the tables and the report call it")
    shared.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    study = shared.open_study(arguments.configfile)
    stage, failure = arguments.stage, arguments.where
    with shared.alone(Path(study.results), arguments.dry_run):
        if stage not in PROJECTED:
            raise StudyError(_not_recorded(study, stage))
        found = standing(study, stage)
        for why in found.unreadable.values():
            shared.tell(f"{stage}: {why} It is left out here.")
        if absent := [path for path in found.absent if path not in found.keys]:
            shared.tell(f"{stage}: {len(absent)} of {found.planned} tables are not there yet")
        failed = {path: _failed(stage, path) for path in found.keys}
        rows = [row for path in failed for row in failed[path] if row.failure == failure]
        beside = [
            Failed(one.failure, one.key, None, one.replied and stage != "judge")
            for one in untold(study, stage, absent, found.all_keys())
        ]
        alone = [row for row in beside if row.failure == failure]
        keys = {row.key for row in [*rows, *alone] if row.key is not None}
        if not rows and not alone:
            every = [row for path in failed for row in failed[path]]
            raise StudyError(_unknown(stage, failure, len(failed), every + beside))
        if not keys:
            raise StudyError(_not_asked(study, stage, failure, rows))
        doomed = [path for path in failed if any(row.failure == failure and row.key for row in failed[path])]
        plan = forgetting(study, stage, found, doomed, keys)
        if alone:
            noun = PROJECTED[stage].noun
            shared.tell(f"{stage}: {len(alone):,} {noun} in the record failed with {failure}, of which no table tells")
        if rows:
            where = f"in {len(doomed)} of {len(failed)} tables"
            shared.tell(f"{stage}: {len(rows):,} rows failed with {failure}, {where}")
        shared.tell(f"to forget, with all attempts at {plan.questions:,} questions:")
        shared.tell_sums(plan.sums())
        for path in plan.others:
            shared.tell(f"  made again too, as it rests on some of the same: {path}")
        if any(row.replied for row in [*rows, *alone]):
            shared.tell(
                f"note: {failure} is no failed request but what a whole reply came to. With fixed seeds a model "
                "replies the same again; without, it gets a second chance just where it failed, which favours it."
            )
        shared.tell_of_batches(study, stage)
        if arguments.dry_run:
            shared.tell("dry run: nothing was changed")
            return
        plan.carry_out(study)
    shared.tell(f"forgotten; to ask again, run: {shared.snakemake_command(arguments.configfile)}")


def _failed(stage: str, path: Path) -> list[Failed]:
    projected = PROJECTED[stage]
    found = []
    for row in tables.read(path, projected.table_type):
        one: Any = row
        failure = one.failure or (one.unusable_because if isinstance(row, Trace) else None)
        if failure is not None:
            # A judge's reply that is no verdict is not counted here: asking for it again is what judge does itself.
            replied = stage in ("generate", "evaluate") and one.finish_reason is not None
            found.append(Failed(failure, getattr(one, projected.column), getattr(one, "generator", None), replied))
    return found


def _told(failures: Mapping[str, int]) -> str:
    return ", ".join(f"{failure} ({count:,})" for failure, count in sorted(failures.items()))


def _unknown(stage: str, failure: str, count: int, failed: Iterable[Failed]) -> str:
    failures = Counter(row.failure for row in failed)
    if not failures:
        return f"{stage}: no row of its {count} tables failed, nor a call in the record; there is nothing to retry."
    near = difflib.get_close_matches(failure, failures, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{stage}: no row of its {count} tables failed with {failure!r}.{hint} Their failures: {_told(failures)}."


def _not_asked(study: Study, stage: str, failure: str, rows: list[Failed]) -> str:
    """What to retry instead, where nothing was asked because the trace could not be used."""
    generators = {row.generator for row in rows}
    causes = Counter[str]()
    for path in standing(study, "generate").keys:
        causes.update(row.failure for row in _failed("generate", path) if row.generator in generators)
    return (
        f"{stage}: {len(rows):,} rows have {failure}, and nothing was asked for any of them: their traces cannot be "
        "used. Retry where these come from: prefdelta retry --stage generate --where FAILURE. The failures of their "
        f"generators: {_told(causes) or 'none'}."
    )


def _not_recorded(study: Study, stage: str) -> str:
    """Why a stage has nothing to retry, and what to do instead."""
    if stage == "grade":
        failures = Counter[str]()
        for job in study.jobs(stage):
            if Path(job.outputs[0]).is_file():
                grades = tables.read(Path(job.outputs[0]), Grade)
                failures.update(grade.failure for grade in grades if grade.failure is not None)
        return (
            f"grade asks no model, so it has nothing to retry: it reads the traces, whenever it runs. Its failures: "
            f"{_told(failures) or 'none'}. For those of traces (truncated, empty, failed requests): prefdelta retry "
            "--stage generate. To have a table graded again: prefdelta invalidate <table>."
        )
    if stage in STAGES:
        return (
            f"{stage} asks no model, so it has nothing to retry. To have an output of it made from scratch: prefdelta "
            "invalidate <output>."
        )
    near = difflib.get_close_matches(stage, STAGES, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"there is no stage {stage!r}.{hint} Those that ask something: {', '.join(PROJECTED)}."
