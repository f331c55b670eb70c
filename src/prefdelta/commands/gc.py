"""Remove files and recorded rows that no current output needs. For a finished study.

An output is current if the config's plan names it and it exists. The command removes:
  - outputs, manifests and logs in results/<study>/ that the plan does not name any more (another config with the same
    study name has its outputs there too: they go);
  - in results/<study>/record/, items that no current output depends on: replies of models (all attempts at a question
    that a current table depends on stay), reference sums, models, policies;
  - damaged files that were set aside, and leftovers of dead processes: temporary files, unfinished trainings, claims;
  - with --evaluated-policies, the weights of trained policies that are evaluated, unless the config keeps them
    (train.keep). Their hashes and recorded replies stay, so nothing is planned again. To get weights back, have them
    trained again (`prefdelta invalidate`).

The command does not check whether outputs are up to date, so run the study to its end before. If an output of a stage
is missing, all that this stage recorded is kept, and the command says so. A kill at any moment leaves every current
output and all that it depends on; the same command again does the rest.
"""

import argparse
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.dependents import (
    CHECKPOINTS,
    MEASURED,
    RECORDED_IN,
    Dependents,
    RecordedRow,
    RecordPartition,
    dependents_of,
    forget,
    partitions,
    questions_of,
    remove,
    size,
)
from prefdelta.commands.exclusive import exclusive_use
from prefdelta.commands.output import print_line, print_sums
from prefdelta.commands.study_options import add_options, open_study
from prefdelta.core.errors import DamagedError
from prefdelta.core.layout import EVENTS, LOG, events_of, is_folder
from prefdelta.core.stage_names import STAGES
from prefdelta.records.call import Call
from prefdelta.store.checkpoints import are_removed, remove_weights
from prefdelta.store.ownership import owners
from prefdelta.study.study import Study
from prefdelta.system.instance import Instance

LOGS = "logs"
# Outputs of stages; other files are the user's own.
_WRITTEN = re.compile(r".*\.(parquet|manifest\.json|log|events\.jsonl)|(policy|model)\.json")
_LEFT = re.compile(r"\..+\.(tmp|staged|probe)")
_DAMAGED = ".damaged"


def define(parser: argparse.ArgumentParser) -> None:
    add_options(parser)
    parser.add_argument("--verbose", "-v", action="store_true", help="name every path")
    parser.add_argument(
        "--evaluated-policies", action="store_true", help="also weights of policies whose scores are there"
    )


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    results = Path(study.results)
    with exclusive_use(results, arguments.dry_run):
        plan = make_plan(study, arguments.evaluated_policies)
        for note in plan.notes:
            print_line(note)
        if not plan.removals:
            print_line(f"{results}: nothing to remove")
        else:
            print_line(f"{results}: to remove, as no current output refers to it")
            print_sums(plan.sums())
            for removal in plan.removals if arguments.verbose else []:
                print_line(f"  {removal.path}" + ("" if removal.rows is None else f": {removal.count:,} rows of it"))
        if arguments.dry_run:
            print_line("dry run: nothing was changed")
            return
        for removal in plan.removals:
            removal.carry_out()
        _remove_empty_folders(results)
        if plan.removals:
            print_line("removed")


@dataclass(frozen=True, slots=True)
class Removal:
    kind: str
    path: Path
    count: int
    bytes: int
    rows: set[str] | None = None  # the rows to remove from a partition; None: all of `path`
    row_type: RecordedRow = Call
    only_weights: bool = False  # remove a checkpoint's weights alone: it still counts as made

    def carry_out(self) -> None:
        if self.only_weights:
            remove_weights(self.path)
        elif self.rows is None:
            remove(self.path)
        else:
            forget(self.path, self.row_type, self.rows)


@dataclass(frozen=True, slots=True)
class RemovalPlan:
    """The removals, in this order.

    Outputs come first, so that none ever refers to something removed. Segments to be rewritten without some rows come
    last, because rewriting needs room.
    """

    removals: list[Removal]
    notes: list[str]

    def sums(self) -> dict[str, tuple[int, int]]:
        """Kind -> (count, bytes)."""
        sums: dict[str, tuple[int, int]] = {}
        for removal in self.removals:
            count, size_so_far = sums.get(removal.kind, (0, 0))
            sums[removal.kind] = (count + removal.count, size_so_far + removal.bytes)
        return sums


def make_plan(study: Study, evaluated_policies: bool = False) -> RemovalPlan:
    """The plan of removals from a study's results. Changes nothing."""
    results, record = Path(study.results), Path(study.record)
    notes: list[str] = []
    removals = list(_outputs(study, results, notes))
    finished = {}
    for stage in (*CHECKPOINTS, *RECORDED_IN):
        dependents = dependents_of(study, stage)
        finished[stage] = dependents.finished
        if not dependents.finished:
            notes.append(_kept_whole(stage, dependents))
            continue
        try:
            collect = _checkpoints if stage in CHECKPOINTS else _rows
            removals += collect(record, stage, dependents.all_keys())
        except DamagedError as error:
            notes.append(f"{stage}: {error.damage} Its record is kept whole; the next run mends it.")
    everything = all(
        Path(path).exists() for stage in STAGES for job in study.jobs(stage) for path in (*job.outputs, job.manifest)
    )
    if evaluated_policies:
        removals += _evaluated(study, record)
    going = {removal.path for removal in removals if removal.rows is None}
    removals += _leftovers(results, record, going, finished, everything)
    return RemovalPlan(sorted(removals, key=lambda removal: removal.rows is not None), notes)


def _kept_whole(stage: str, dependents: Dependents) -> str:
    noun = "manifests of checkpoints" if stage in CHECKPOINTS else "tables"
    parts = []
    if dependents.absent:
        parts.append(f"{len(dependents.absent)} of {dependents.planned} {noun} are not there yet")
    if dependents.unreadable:
        why = next(iter(dependents.unreadable.values()))
        parts.append(f"{len(dependents.unreadable)} of {dependents.planned} {noun} cannot be read ({why})")
    return f"{stage}: {', '.join(parts)}; its record is kept whole"


# --- outputs ----------------------------------------------------------------------------------------------------------


def _outputs(study: Study, results: Path, notes: list[str]) -> Iterator[Removal]:
    """Outputs, manifests and logs that the plan does not name."""
    jobs = [job for stage in STAGES for job in study.jobs(stage)]
    planned = {Path(path) for job in jobs for path in (*job.outputs, job.manifest, job.log)}
    planned |= {events_of(Path(job.log)) for job in jobs}
    foreign = []
    for folder in _folders(results):
        for path in _files(folder, planned):
            if _WRITTEN.fullmatch(path.name):
                kind = "logs" if path.name.endswith((LOG, EVENTS)) else "outputs and manifests"
                yield Removal(f"{kind} that the plan does not name", path, 1, size(path))
            else:
                foreign.append(path)
    if foreign:
        notes.append(f"{len(foreign)} files that no stage writes are left alone, the first {foreign[0]}")


def _folders(results: Path) -> list[Path]:
    folders = [*(results / stage for stage in STAGES), *(results / LOGS / stage for stage in STAGES)]
    return [folder for folder in folders if folder.is_dir()]


def _files(folder: Path, planned: Collection[Path]) -> Iterator[Path]:
    """The files below `folder` that are not planned, nor in a planned folder, nor leftovers."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(parent, name) not in planned and not _LEFT.fullmatch(name)]
        for name in sorted(files):
            if Path(parent, name) not in planned and not _LEFT.fullmatch(name) and not name.endswith(_DAMAGED):
                yield Path(parent, name)


# --- the record -------------------------------------------------------------------------------------------------------


def _checkpoints(record: Path, stage: str, wanted: Collection[str]) -> list[Removal]:
    """Weights that no output of the stage names, and the replies by which such models were measured."""
    removals = []
    for path in sorted((record / CHECKPOINTS[stage]).glob("[!.]*")):
        if path.name not in wanted and path.suffix != _DAMAGED:
            removals.append(Removal(f"checkpoints in {path.parent}", path, 1, size(path)))
    if stage == "ladder":
        measured = partitions(record / MEASURED, Call)
        removals += [_whole(part, "calls") for part in measured if part.folder.name not in wanted]
    return removals


def _evaluated(study: Study, record: Path) -> Iterator[Removal]:
    """Weights of policies that are no longer needed: every arm that uses them is evaluated and not to be kept."""
    policies = dependents_of(study, "train")
    passing = {
        Path(study.policy_manifest(arm))
        for arm, scores in study.passing_arms.items()
        if all(Path(path).is_file() for path in scores)
    }
    needed = {key for path, keys in policies.keys.items() if path not in passing for key in keys}
    for key in sorted(policies.all_keys() - needed):
        folder = record / CHECKPOINTS["train"] / key
        if folder.is_dir() and not are_removed(folder):
            yield Removal("weights of evaluated policies", folder, 1, size(folder), only_weights=True)


def _rows(record: Path, stage: str, wanted: Collection[str]) -> list[Removal]:
    """Rows of the record that no table of the stage depends on."""
    recorded_in = RECORDED_IN[stage]
    parts = partitions(record / recorded_in.folder, recorded_in.row_type)
    questions = questions_of(parts, wanted)
    removals = []
    for part in parts:
        kept = part.keys_of(questions)
        doomed = {key for rows in part.segments.values() for key, _ in rows} - kept
        if not kept:
            removals.append(_whole(part, recorded_in.noun))
        elif doomed:
            kind = f"{recorded_in.noun} in parts of {part.folder.parent} (bytes: about)"
            removals.append(
                Removal(kind, part.folder, len(doomed), part.bytes_of(doomed), doomed, recorded_in.row_type)
            )
    return removals


def _whole(part: RecordPartition, noun: str) -> Removal:
    return Removal(f"{noun} in whole folders of {part.folder.parent}", part.folder, part.rows, size(part.folder))


# --- leftovers --------------------------------------------------------------------------------------------------------


def _leftovers(
    results: Path, record: Path, going: Collection[Path], finished: dict[str, bool], everything: bool
) -> Iterator[Removal]:
    """Files that were set aside, and files that dead processes left.

    Whether a process of another machine is dead is known only if the study has every output: a running job has removed
    its outputs before.
    """
    work = {record / kind: stage for stage, kind in CHECKPOINTS.items()}
    for parent, folders, files in os.walk(results):
        here = Path(parent)
        leftovers = {}
        for name in (*folders, *files):
            if here / name not in going and (kind := _kind(here / name, name in folders, work, finished, everything)):
                leftovers[name] = Removal(kind, here / name, 1, size(here / name))
        yield from (leftovers[name] for name in sorted(leftovers))
        folders[:] = [
            name for name in folders if here not in work and here / name not in going and name not in leftovers
        ]
    for owner in owners(record):
        if not owner.is_alive and (everything or not owner.is_elsewhere):
            yield Removal("claims of dead processes", owner.file, 1, size(owner.file))


def _kind(
    path: Path, is_folder: bool, work: Mapping[Path, str], finished: Mapping[str, bool], everything: bool
) -> str | None:
    """What kind of leftover a path is; None if it is not one, or may still be needed."""
    stage = work.get(path.parent)
    # A generator's name may give a folder this ending, but never a file or a checkpoint.
    if path.suffix == _DAMAGED and (stage or not is_folder):
        return "damaged, and set aside"
    if _LEFT.fullmatch(path.name):
        instance = Instance.in_file_name(path.name)
        at_work = None if instance is None else instance.is_at_work()
        return "left by dead processes" if (everything if at_work is None else not at_work) else None
    if stage and finished[stage] and path.name.startswith(".") and path.suffix == ".work":
        return "unfinished trainings that no output waits for"
    return None


def _remove_empty_folders(results: Path) -> None:
    for folder in _folders(results):
        for parent, _, _ in os.walk(folder, topdown=False):
            if Path(parent) != folder and not is_folder(parent):
                with suppress(OSError):  # it is not empty
                    Path(parent).rmdir()
