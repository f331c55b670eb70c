"""Forget outputs with all that they were made from, so that the next run makes them from scratch.

PATH is an output of the study: a table, policy.json, model.json. What goes with it: the replies of models (all attempts
at each question), reference sums or weights that it was made from, and its manifest. Another output of the same stage
that rests on some of the same (two arms can share one policy) goes too, and is said. What was made from the output
stays: the next run looks whether it has to be made anew. Evaluations of a policy stay recorded, by its weights.
"""

import argparse
import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from prefdelta.commands import shared
from prefdelta.commands.dependents import CHECKPOINTS, PROJECTED, Standing, forgetting, standing
from prefdelta.core.errors import StudyError
from prefdelta.core.names import STAGES
from prefdelta.study.study import Study


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="e.g. results/mini/judge/g3/logic.parquet")
    shared.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    study = shared.open_study(arguments.configfile)
    with shared.alone(Path(study.results), arguments.dry_run):
        plans = []
        for stage, paths in _by_stage(study, arguments.paths).items():
            there = [path for path in paths if path.exists()]
            for path in paths:
                if path not in there:
                    shared.tell(f"{path}: is not there; there is nothing to forget by it")
            recorded = stage in PROJECTED or stage in CHECKPOINTS
            found = standing(study, stage) if recorded and there else Standing()
            for path in there:
                if path in found.unreadable:
                    raise StudyError(
                        f"{found.unreadable[path]} So it cannot be seen what it was made from; nothing was changed. "
                        "Delete it and run the study: it is made again from the record. Then invalidate it."
                    )
            keys = set().union(*(found.keys.get(path, set()) for path in there))
            plans.append(forgetting(study, stage, found, there, keys))
        sums = {kind: counts for plan in plans for kind, counts in plan.sums().items()}
        if not sums:
            shared.tell("nothing to do")
            return
        shared.tell(f"{study.results}: to forget")
        shared.tell_sums(sums)
        for plan in plans:
            for path in plan.others:
                shared.tell(f"  made again too, as it rests on some of the same: {path}")
        for plan in plans:
            if plan.rows:
                shared.tell_of_batches(study, plan.stage)
        if arguments.dry_run:
            shared.tell("dry run: nothing was changed")
            return
        for plan in plans:
            plan.carry_out(study)
    shared.tell(f"forgotten; to make them again, run: {shared.snakemake_command(arguments.configfile)}")


def _by_stage(study: Study, words: Iterable[str]) -> dict[str, list[Path]]:
    """The outputs by stage. Raises StudyError if one is no output of the study."""
    stage_of = {Path(path): stage for stage in STAGES for job in study.jobs(stage) for path in job.outputs}
    found: dict[str, list[Path]] = {}
    wrong = []
    for word in words:
        path = Path(os.path.relpath(word))
        if path in stage_of:
            paths = found.setdefault(stage_of[path], [])
            if path not in paths:
                paths.append(path)
        else:
            wrong.append(f"{path}: is no output of this study; {_near(path, map(str, stage_of))}")
    if wrong:
        raise StudyError("\n".join([*wrong, "Nothing was changed."]))
    return found


def _near(path: Path, outputs: Iterable[str]) -> str:
    listed = list(outputs)
    below = [other for other in listed if other.startswith(f"{path}/")]
    near = below or difflib.get_close_matches(str(path), listed, n=3)
    more = f", and {len(near) - 5} more" if len(near) > 5 else ""
    says = "below it are" if below else "did you mean"
    return f"{says} {', '.join(near[:5])}{more}" if near else f"its outputs lie in {Path(listed[0]).parents[1]}"
