"""Forget outputs with all that they were made from, so that the next run makes them from scratch.

PATH is an output of the study: a table, policy.json, model.json. Removed with it: the replies of models (all attempts
at each question), reference sums or weights that it was made from, and its manifest. Another output of the same stage
that depends on some of these (two arms can share one policy) goes too, and is named. Outputs made from PATH stay: the
next run decides whether to recompute them. Evaluations of a policy stay recorded, by its weights.
"""

import argparse
import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from prefdelta.commands.dependents import CHECKPOINTS, RECORDED_IN, Dependents, dependents_of, plan_forgetting
from prefdelta.commands.exclusive import exclusive_use
from prefdelta.commands.output import print_line, print_note_on_batches, print_sums
from prefdelta.commands.snakemake_command import snakemake_command
from prefdelta.commands.study_options import add_options, open_study
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import STAGES
from prefdelta.study.study import Study


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="e.g. results/mini/judge/g3/logic.parquet")
    add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    with exclusive_use(Path(study.results), arguments.dry_run):
        plans = []
        for stage, paths in _by_stage(study, arguments.paths).items():
            there = [path for path in paths if path.exists()]
            for path in paths:
                if path not in there:
                    print_line(f"{path}: is not there; there is nothing to forget by it")
            recorded = stage in RECORDED_IN or stage in CHECKPOINTS
            dependents = dependents_of(study, stage) if recorded and there else Dependents()
            for path in there:
                if path in dependents.unreadable:
                    raise StudyError(
                        f"{dependents.unreadable[path]} So it is not known what it was made from; nothing was changed. "
                        "Delete it and run the study: it is made again from the record. Then invalidate it."
                    )
            keys = set().union(*(dependents.keys.get(path, set()) for path in there))
            plans.append(plan_forgetting(study, stage, dependents, there, keys))
        sums = {kind: counts for plan in plans for kind, counts in plan.sums().items()}
        if not sums:
            print_line("nothing to do")
            return
        print_line(f"{study.results}: to forget")
        print_sums(sums)
        for plan in plans:
            for path in plan.others:
                print_line(f"  made again too, as it depends on some of the same: {path}")
        for plan in plans:
            if plan.rows:
                print_note_on_batches(study, plan.stage)
        if arguments.dry_run:
            print_line("dry run: nothing was changed")
            return
        for plan in plans:
            plan.carry_out(study)
    print_line(f"forgotten; to make them again, run: {snakemake_command(arguments.configfile)}")


def _by_stage(study: Study, words: Iterable[str]) -> dict[str, list[Path]]:
    """The outputs by stage. Raises StudyError if one is not an output of the study."""
    stage_of = {Path(path): stage for stage in STAGES for job in study.jobs(stage) for path in job.outputs}
    by_stage: dict[str, list[Path]] = {}
    wrong = []
    for word in words:
        path = Path(os.path.relpath(word))
        if path in stage_of:
            paths = by_stage.setdefault(stage_of[path], [])
            if path not in paths:
                paths.append(path)
        else:
            wrong.append(f"{path}: is not an output of this study; {_near(path, map(str, stage_of))}")
    if wrong:
        raise StudyError("\n".join([*wrong, "Nothing was changed."]))
    return by_stage


def _near(path: Path, outputs: Iterable[str]) -> str:
    listed = list(outputs)
    below = [other for other in listed if other.startswith(f"{path}/")]
    near = below or difflib.get_close_matches(str(path), listed, n=3)
    more = f", and {len(near) - 5} more" if len(near) > 5 else ""
    says = "below it are" if below else "did you mean"
    return f"{says} {', '.join(near[:5])}{more}" if near else f"its outputs lie in {Path(listed[0]).parents[1]}"
