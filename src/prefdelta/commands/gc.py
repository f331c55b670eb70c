"""Remove what no current output refers to. For a finished study.

Current is what the config's plan names and what is there. Removed are:
  - outputs, manifests and logs in results/<study>/ that the plan does not name any more (another config with the same
    study name has its outputs there too: they go);
  - in results/<study>/record/, what no current output was made from: replies of models (all attempts at a question
    that a current table rests on stay), reference sums, models, policies;
  - damaged files that were set aside, and what dead processes left: temporary files, unfinished trainings, claims;
  - with --evaluated-policies, the weights of trained policies that are evaluated, unless the config keeps them
    (train.keep). What they were and what they answered stays, so nothing is planned again. Whoever wants more of them
    later has them trained again (`prefdelta invalidate`).

Whether outputs are up to date is not looked at, so run the study to its end before. Where an output of a stage is not
there, all that this stage recorded is kept, and that is said. A kill at any moment leaves every current output and all
that it rests on; the same command again does the rest.
"""

import argparse
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname

from prefdelta.commands import shared
from prefdelta.commands.dependents import (
    CHECKPOINTS,
    MEASURED,
    PROJECTED,
    Partition,
    RecordedRow,
    Standing,
    forget,
    partitions,
    questions_of,
    remove,
    size,
    standing,
)
from prefdelta.core.errors import DamagedError
from prefdelta.core.layout import EVENTS, LOG, events_of
from prefdelta.core.names import STAGES
from prefdelta.records.call import Call
from prefdelta.store.checkpoints import are_removed, remove_weights
from prefdelta.study.study import Study

LOGS = "logs"
# What stages write; other files are somebody's own.
_WRITTEN = re.compile(r".*\.(parquet|manifest\.json|log|events\.jsonl)|(policy|model)\.json")
_LEFT = re.compile(r"\..+\.(tmp|staged|probe)")
_DAMAGED = ".damaged"
_OWNED = re.compile(rf"(?:.*\.)?{re.escape(gethostname())}-(\d+)-[0-9a-f]{{8}}\.\w+")


def define(parser: argparse.ArgumentParser) -> None:
    shared.add_options(parser)
    parser.add_argument("--verbose", "-v", action="store_true", help="name every path")
    parser.add_argument(
        "--evaluated-policies", action="store_true", help="also weights of policies whose scores are there"
    )


def run(arguments: argparse.Namespace) -> None:
    study = shared.open_study(arguments.configfile)
    results = Path(study.results)
    with shared.alone(results, arguments.dry_run):
        plan = make_plan(study, arguments.evaluated_policies)
        for note in plan.notes:
            shared.tell(note)
        if not plan.removals:
            shared.tell(f"{results}: nothing to remove")
        else:
            shared.tell(f"{results}: to remove, as no current output refers to it")
            shared.tell_sums(plan.sums())
            for one in plan.removals if arguments.verbose else []:
                shared.tell(f"  {one.path}" + ("" if one.rows is None else f": {one.count:,} rows of it"))
        if arguments.dry_run:
            shared.tell("dry run: nothing was changed")
            return
        for one in plan.removals:
            one.carry_out()
        _remove_empty_folders(results)
        if plan.removals:
            shared.tell("removed")


@dataclass(frozen=True, slots=True)
class Removal:
    kind: str
    path: Path
    count: int
    bytes: int
    rows: set[str] | None = None  # of a partition, where only some of it goes
    row_type: RecordedRow = Call
    only_weights: bool = False  # of a checkpoint, which goes on to count as made

    def carry_out(self) -> None:
        if self.only_weights:
            remove_weights(self.path)
        elif self.rows is None:
            remove(self.path)
        else:
            forget(self.path, self.row_type, self.rows)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be removed, in this order.

    Outputs first, so that none ever points to what is gone. Last what is written anew without some rows: it needs room.
    """

    removals: list[Removal]
    notes: list[str]

    def sums(self) -> dict[str, tuple[int, int]]:
        """Kind -> (count, bytes)."""
        sums: dict[str, tuple[int, int]] = {}
        for one in self.removals:
            count, taken = sums.get(one.kind, (0, 0))
            sums[one.kind] = (count + one.count, taken + one.bytes)
        return sums


def make_plan(study: Study, evaluated_policies: bool = False) -> Plan:
    """What to remove from a study's results. Changes nothing."""
    results, record = Path(study.results), Path(study.record)
    notes: list[str] = []
    removals = list(_outputs(study, results, notes))
    finished = {}
    for stage in (*CHECKPOINTS, *PROJECTED):
        found = standing(study, stage)
        finished[stage] = found.finished
        if not found.finished:
            notes.append(_kept_whole(stage, found))
            continue
        try:
            collect = _checkpoints if stage in CHECKPOINTS else _rows
            removals += collect(record, stage, found.all_keys())
        except DamagedError as error:
            notes.append(f"{stage}: {error.found} Its record is kept whole; the next run mends it.")
    everything = all(
        Path(path).exists() for stage in STAGES for job in study.jobs(stage) for path in (*job.outputs, job.manifest)
    )
    if evaluated_policies:
        removals += _evaluated(study, record)
    going = {one.path for one in removals if one.rows is None}
    removals += _leftovers(results, record, going, finished, everything)
    return Plan(sorted(removals, key=lambda one: one.rows is not None), notes)


def _kept_whole(stage: str, found: Standing) -> str:
    noun = "manifests of checkpoints" if stage in CHECKPOINTS else "tables"
    parts = []
    if found.absent:
        parts.append(f"{len(found.absent)} of {found.planned} {noun} are not there yet")
    if found.unreadable:
        why = next(iter(found.unreadable.values()))
        parts.append(f"{len(found.unreadable)} of {found.planned} {noun} cannot be read ({why})")
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
    found = [*(results / stage for stage in STAGES), *(results / LOGS / stage for stage in STAGES)]
    return [folder for folder in found if folder.is_dir()]


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
    found = []
    for path in sorted((record / CHECKPOINTS[stage]).glob("[!.]*")):
        if path.name not in wanted and path.suffix != _DAMAGED:
            found.append(Removal(f"checkpoints in {path.parent}", path, 1, size(path)))
    if stage == "ladder":
        measured = partitions(record / MEASURED, Call)
        found += [_whole(one, "calls") for one in measured if one.folder.name not in wanted]
    return found


def _evaluated(study: Study, record: Path) -> Iterator[Removal]:
    """Weights of policies that are no longer needed: each arm that has them is evaluated, and not to be kept."""
    policies = standing(study, "train")
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
    """Rows of the record that no table of the stage rests on."""
    projected = PROJECTED[stage]
    parts = partitions(record / projected.folder, projected.row_type)
    questions = questions_of(parts, wanted)
    found = []
    for one in parts:
        kept = one.of(questions)
        going = {key for rows in one.segments.values() for key, _ in rows} - kept
        if not kept:
            found.append(_whole(one, projected.noun))
        elif going:
            kind = f"{projected.noun} in parts of {one.folder.parent} (bytes: about)"
            found.append(Removal(kind, one.folder, len(going), one.bytes_of(going), going, projected.row_type))
    return found


def _whole(one: Partition, noun: str) -> Removal:
    return Removal(f"{noun} in whole folders of {one.folder.parent}", one.folder, one.rows, size(one.folder))


# --- leftovers --------------------------------------------------------------------------------------------------------


def _leftovers(
    results: Path, record: Path, going: Collection[Path], finished: dict[str, bool], everything: bool
) -> Iterator[Removal]:
    """What was set aside, and what processes left that are dead. Of another machine's, only a study that has every
    output shows that: a job at work has removed its outputs before.
    """
    work = {record / kind: stage for stage, kind in CHECKPOINTS.items()}
    for parent, folders, files in os.walk(results):
        here = Path(parent)
        found = {}
        for name in (*folders, *files):
            if here / name not in going and (kind := _kind(here / name, name in folders, work, finished, everything)):
                found[name] = Removal(kind, here / name, 1, size(here / name))
        yield from (found[name] for name in sorted(found))
        folders[:] = [name for name in folders if here not in work and here / name not in going and name not in found]
    for claim in shared.claims(results):
        if not claim.alive and (claim.here or everything):
            yield Removal("claims of dead processes", claim.path, 1, size(claim.path))


def _kind(
    path: Path, is_folder: bool, work: Mapping[Path, str], finished: Mapping[str, bool], everything: bool
) -> str | None:
    """What kind of leftover a path is, or None if it is none, or may still be needed."""
    stage = work.get(path.parent)
    # Folders may be called so by a generator's name; files and checkpoints are not.
    if path.suffix == _DAMAGED and (stage or not is_folder):
        return "damaged, and set aside"
    if _LEFT.fullmatch(path.name):
        owner = _OWNED.fullmatch(path.name)
        dead = everything if owner is None else not shared.works(int(owner[1]))
        return "left by dead processes" if dead else None
    if stage and finished[stage] and path.name.startswith(".") and path.suffix == ".work":
        return "unfinished trainings that no output waits for"
    return None


def _remove_empty_folders(results: Path) -> None:
    for folder in _folders(results):
        for parent, _, _ in os.walk(folder, topdown=False):
            if Path(parent) not in (folder, results / "report" / "figures"):
                with suppress(OSError):  # it is not empty
                    Path(parent).rmdir()
