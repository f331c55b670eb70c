"""Repeat the requests that failed in one way, and only those.

Finds the rows of a stage's tables whose `failure` is the one named, forgets their requests in the record (all attempts
at each question), and deletes these tables. The next run asks again for these rows, and takes all other rows of the
same tables from the record. If a stage stopped and wrote no table, failures are found in the record itself. If a
failure is in neither, the command lists the failures that exist.
"""

import argparse
import difflib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prefdelta.commands.dependents import RECORDED_IN, dependents_of, plan_forgetting
from prefdelta.commands.exclusive import exclusive_use
from prefdelta.commands.output import print_line, print_note_on_batches, print_sums
from prefdelta.commands.snakemake_command import snakemake_command
from prefdelta.commands.study_options import add_options, open_study
from prefdelta.commands.unreported_failures import lost_votes, unreported_failures
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import STAGES
from prefdelta.records.grade import Grade
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.study.study import Study


class FailedRow(NamedTuple):
    """A row of a table that has a failure."""

    failure: str
    keys: list[str]  # in the record; none if nothing was asked
    generator: str | None
    replied: bool  # whether a whole reply came, from which the failure results


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stage", required=True, help=", ".join(RECORDED_IN))
    parser.add_argument("--where", required=True, metavar="FAILURE", help="as the tables and the report call it")
    add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    stage, failure = arguments.stage, arguments.where
    with exclusive_use(Path(study.results), arguments.dry_run):
        if stage not in RECORDED_IN:
            raise StudyError(_not_recorded(study, stage))
        dependents = dependents_of(study, stage)
        for why in dependents.unreadable.values():
            print_line(f"{stage}: {why} It is left out here.")
        if absent := [path for path in dependents.absent if path not in dependents.keys]:
            print_line(f"{stage}: {len(absent)} of {dependents.planned} tables are not there yet")
        failed = {path: _failed_rows(stage, path) for path in dependents.keys}
        rows = [row for path in failed for row in failed[path] if row.failure == failure]
        found = unreported_failures(study, stage, absent, dependents.all_keys())
        if stage == "judge":
            found += lost_votes(study, failed)
        unreported = [FailedRow(row.failure, [row.key], None, row.replied and stage != "judge") for row in found]
        only_recorded = [row for row in unreported if row.failure == failure]
        keys = {key for row in [*rows, *only_recorded] for key in row.keys}
        if not rows and not only_recorded:
            every = [row for path in failed for row in failed[path]]
            raise StudyError(_unknown(stage, failure, len(failed), every + unreported))
        if not keys:
            raise StudyError(_not_asked(study, stage, failure, rows))
        doomed = [path for path in failed if any(row.failure == failure and row.keys for row in failed[path])]
        plan = plan_forgetting(study, stage, dependents, doomed, keys)
        if only_recorded:
            noun = RECORDED_IN[stage].noun
            print_line(
                f"{stage}: {len(only_recorded):,} {noun} in the record failed with {failure}, which no table reports"
            )
        if rows:
            where = f"in {len(doomed)} of {len(failed)} tables"
            print_line(f"{stage}: {len(rows):,} rows failed with {failure}, {where}")
        print_line(f"to forget, with all attempts at {plan.questions:,} questions:")
        print_sums(plan.sums())
        for path in plan.others:
            print_line(f"  made again too, as it depends on some of the same: {path}")
        if any(row.replied for row in [*rows, *only_recorded]):
            print_line(
                f"note: {failure} is not a failed request: it is the result of a whole reply. With fixed seeds a "
                "model replies the same again; without, it gets a second chance just where it failed, which favours it."
            )
        print_note_on_batches(study, stage)
        if arguments.dry_run:
            print_line("dry run: nothing was changed")
            return
        plan.carry_out(study)
    print_line(f"forgotten; to ask again, run: {snakemake_command(arguments.configfile)}")


def _failed_rows(stage: str, path: Path) -> list[FailedRow]:
    recorded_in = RECORDED_IN[stage]
    rows = []
    for row in tables.read(path, recorded_in.table_type):
        fields: Any = row
        failure = fields.failure or (row.unusable_because if isinstance(row, Trace) else None)
        if failure is not None:
            # A judge's reply that is not a verdict does not count: judge asks for it again by itself.
            replied = stage in ("generate", "evaluate") and fields.finish_reason is not None
            rows.append(FailedRow(failure, recorded_in.keys_of(row), getattr(fields, "generator", None), replied))
    return rows


def _counts(failures: Mapping[str, int]) -> str:
    return ", ".join(f"{failure} ({count:,})" for failure, count in sorted(failures.items()))


def _unknown(stage: str, failure: str, count: int, failed: Iterable[FailedRow]) -> str:
    failures = Counter(row.failure for row in failed)
    if not failures:
        return f"{stage}: no row of its {count} tables failed, nor a call in the record; there is nothing to retry."
    near = difflib.get_close_matches(failure, failures, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{stage}: no row of its {count} tables failed with {failure!r}.{hint} Their failures: {_counts(failures)}."


def _not_asked(study: Study, stage: str, failure: str, rows: list[FailedRow]) -> str:
    """The message if nothing was asked because the traces cannot be used: what to retry instead."""
    generators = {row.generator for row in rows}
    causes = Counter[str]()
    for path in dependents_of(study, "generate").keys:
        causes.update(row.failure for row in _failed_rows("generate", path) if row.generator in generators)
    return (
        f"{stage}: {len(rows):,} rows have {failure}, and nothing was asked for any of them: their traces cannot be "
        "used. Retry where these come from: prefdelta retry --stage generate --where FAILURE. The failures of their "
        f"generators: {_counts(causes) or 'none'}."
    )


def _not_recorded(study: Study, stage: str) -> str:
    """The message for a stage that records nothing: why it has nothing to retry, and what to do instead."""
    if stage == "grade":
        failures = Counter[str]()
        for job in study.jobs(stage):
            if Path(job.outputs[0]).is_file():
                grades = tables.read(Path(job.outputs[0]), Grade)
                failures.update(grade.failure for grade in grades if grade.failure is not None)
        return (
            f"grade asks no model, so it has nothing to retry: it reads the traces, whenever it runs. Its failures: "
            f"{_counts(failures) or 'none'}. For those of traces (truncated, empty, failed requests): prefdelta retry "
            "--stage generate. To have a table graded again: prefdelta invalidate <table>."
        )
    if stage in STAGES:
        return (
            f"{stage} asks no model, so it has nothing to retry. To have an output of it made from scratch: prefdelta "
            "invalidate <output>."
        )
    near = difflib.get_close_matches(stage, STAGES, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"there is no stage {stage!r}.{hint} Those that ask something: {', '.join(RECORDED_IN)}."
