"""Which jobs would run, why, and their cost: before anything is submitted, and also while a run goes on.

Per stage: how many jobs are stale, what they lack (calls of a model, traces to score, policies to train; whatever is in
the record is not lacking), with its tokens, GPU-hours, and dollars if the config names prices, and which file or key
made the jobs stale. Each number says how it is known: counted, measured on finished jobs, or assumed by the figures of
`compute:` in the config. Read-only.

--json prints one object:
  study, jobs            name; how many jobs would run
  slurm                  jobs, with_gpus: how many jobs SLURM would get
  stages.<stage>         jobs; unit (calls, traces, policies, or null); missing, tokens, gpu_hours, core_hours, usd:
                         amounts; why: cause -> jobs
  totals                 calls, traces, policies, tokens, gpu_hours, core_hours, usd: amounts
  why                    list of cause; own: stage -> jobs that read it; below: stage -> jobs that only depend on those
  disk                   policies, snapshots, replies, needed: amounts of bytes; free: bytes; fits: true or false
  power.<claim>          list of title, unit, n (problems), effect (the smallest true one that 80% of such studies see;
                         null: none), named (the effect that the claim names); empty: the study lacks the arms
  prices                 unit; claims.<claim> and rest (the arms of no claim): arms, hours of all that they stand on,
                         alone (what nothing else needs); together: of all claims, each part once; shared: how much
                         more the claims' hours add up to
  spending               null without judge.engine.prices; else prices, model; spent, limit: USD of the study
  notes                  list of texts
  ties                   limit; selections: those by delta whose pairs are selected, each with pairing, selection, k,
                         cut, above, tied, drawn, drawn_share; over: names of those with a larger share than the limit
An amount is an object: value (null if not known), basis (counted, as it stands, measured, estimated, assumed, at most,
at least, not known).
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from prefdelta.commands.output import print_line
from prefdelta.commands.planning.causes import find_causes
from prefdelta.commands.planning.disk import disk_needed
from prefdelta.commands.planning.dollars import account
from prefdelta.commands.planning.dry_run import PlannedJob, planned_jobs
from prefdelta.commands.planning.models import model_of
from prefdelta.commands.planning.observed_speed import ObservedSpeed
from prefdelta.commands.planning.power import power_of
from prefdelta.commands.planning.precision import precision_notes
from prefdelta.commands.planning.summary import Plan, summed
from prefdelta.commands.planning.text import text
from prefdelta.commands.planning.ties import find_ties
from prefdelta.commands.planning.work import MOST_READ, Reckoning
from prefdelta.commands.snakemake_command import profile_options
from prefdelta.commands.study_options import add_configfile, open_study
from prefdelta.study.study import Study
from prefdelta.workflow import run_file


def define(parser: argparse.ArgumentParser) -> None:
    add_configfile(parser)
    parser.add_argument("--json", action="store_true", help="for a program")
    parser.add_argument("--claims", action="store_true", help="also what each claim costs, and what it could see")
    parser.add_argument(
        "--read-mb",
        type=int,
        default=MOST_READ // 10**6,
        metavar="MB",
        help="to look up in the record what jobs lack, read so many MB of their inputs; the rest is reckoned (default: "
        "%(default)s)",
    )


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    plan = make_plan(study, profile_options(arguments.configfile), arguments.read_mb * 10**6)
    print_line(json.dumps(plan.as_json(), indent=2) if arguments.json else text(plan, arguments.claims))


def make_plan(study: Study, options: list[str], most_read: int) -> Plan:
    """The plan of the jobs that `snakemake <options>` would run for a study."""
    jobs = [_as_asked(study, job) for job in planned_jobs(options)]
    causes = find_causes(study, jobs)
    finished = ObservedSpeed(study)
    reckoning = Reckoning(study, jobs, causes, finished, most_read)
    works = [(job, reckoning.of(job)) for job in jobs]
    notes = [*_notes(study), *precision_notes(study, finished)]
    for stage, why in reckoning.not_looked_up.items():
        notes.append(f"what {stage} lacks was not looked up in the record for every job: {why}")
    disk, power, ties = disk_needed(study, works), power_of(study), find_ties(study, finished)
    return summed(study.config.study, works, causes, disk, account(study), power, notes, ties)


def _as_asked(study: Study, job: PlannedJob) -> PlannedJob:
    """A job with the GPUs and minutes asked of SLURM: with submitit, those of the jobs that it submits."""
    asked = study.asked_for(job.stage, model_of(study, job.stage, job.name))
    if asked.submitit is None:
        return job
    return replace(job, gpus=asked.gpus * asked.submitit.nodes, minutes=asked.runtime)


def _notes(study: Study) -> list[str]:
    notes = []
    if current := run_file.current(Path(study.results)):
        notes.append(f"a run is going on ({current}): what it has not finished counts as not made.")
    if study.unpinned:
        notes.append(
            f"{len(study.unpinned)} models and data sets are not pinned: it does not run before `prefdelta pin`."
        )
    return notes
