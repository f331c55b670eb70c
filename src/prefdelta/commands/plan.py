"""thin"""
import argparse
from collections import Counter, defaultdict
from prefdelta.commands import shared
from prefdelta.commands.planning.dry_run import planned_jobs
from prefdelta.commands.planning.causes import find_causes

def define(parser: argparse.ArgumentParser) -> None:
    shared.add_configfile(parser)

def run(arguments: argparse.Namespace) -> None:
    study = shared.open_study(arguments.configfile)
    jobs = planned_jobs(shared.profile_options(arguments.configfile))
    causes = find_causes(study, jobs)
    shared.tell(str(Counter(job.stage for job in jobs)))
    why = defaultdict(Counter)
    for job in jobs:
        for c in causes[job.name].all:
            why[c][job.stage]+=1
    for c, n in why.items():
        shared.tell(f"{c}: {dict(n)}")
