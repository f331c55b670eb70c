"""Check whether this machine or cluster has what a study needs, before a run or after something went wrong.

    prefdelta doctor
    prefdelta doctor --configfile resources/studies/mini.yaml

One line for each check: ok, warn or fail, what was found, and what to do. Nothing is changed, and no model is started.
Parts that this study does not need are not checked. Keys and tokens are only looked for, never shown. The exit code is
2 if a check failed.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict

from prefdelta.commands.checks import (
    disk,
    environment,
    gpus,
    hub_files,
    keys,
    sandbox,
    slurm_jobs,
    slurm_settings,
    tokenizers,
)
from prefdelta.commands.checks.check_result import CheckResult, fail
from prefdelta.commands.checks.subject import Subject
from prefdelta.commands.output import print_line
from prefdelta.commands.study_options import add_configfile, open_study
from prefdelta.core.errors import StudyError

# In the order of the lines. Checks of SLURM after the first say nothing if that one could not reach it.
CHECKS: dict[str, Callable[[Subject], Iterator[CheckResult]]] = {
    "source": environment.source,
    "python": environment.python,
    "packages": environment.packages,
    "gpus": gpus.gpus,
    "room": disk.room,
    "files": disk.files,
    "open files": disk.open_files,
    "pins": hub_files.pins,
    "hub": hub_files.files,
    "hub token": keys.hub_token,
    "judge key": keys.judge_key,
    "templates": tokenizers.tokenizers,
    "sandbox": sandbox.sandbox,
    "slurm": slurm_settings.reachable,
    "slurm profile": slurm_settings.profile,
    "slurm settings": slurm_settings.settings,
    "slurm partitions": slurm_jobs.partitions,
    "slurm jobs": slurm_jobs.jobs,
    "slurm accounts": slurm_jobs.accounts,
    "slurm preemption": slurm_settings.preemption,
}


def define(parser: argparse.ArgumentParser) -> None:
    add_configfile(parser)
    parser.add_argument(
        "--profile", help="how snakemake is to run it: a folder of profiles/ (default: the one of the config file)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    subject = Subject(study, arguments.configfile, arguments.profile)
    if not arguments.json:
        print_line(f"study {study.config.study}, to be run with --profile {subject.profile}")
    results = []
    for name in CHECKS:
        for result in _run_check(name, subject):
            results.append({"check": name, **asdict(result)})
            if not arguments.json:
                print_line(_format_result(name, result))
    count = Counter(result["state"] for result in results)
    if arguments.json:
        print_line(json.dumps({"study": study.config.study, "profile": subject.profile, "checks": results}, indent=2))
    if count["fail"]:
        raise StudyError(f"{count['fail']} checks failed, {count['warn']} warned. What to do stands behind each.")
    if not arguments.json:
        print_line(f"no check failed, {count['warn']} warned")


def _run_check(name: str, subject: Subject) -> Iterator[CheckResult]:
    """The results of a check. An error in the check itself is a failure, and does not stop the other checks."""
    try:
        yield from CHECKS[name](subject)
    except StudyError as error:
        yield fail(str(error))
    except Exception as error:
        yield fail(
            f"the check itself broke: {type(error).__name__}: {error}", "Look at this by hand; the other checks stand."
        )


def _format_result(name: str, result: CheckResult) -> str:
    width = max(map(len, CHECKS))
    text = " ".join(result.found.split())  # messages of other programs have line breaks
    return f"{result.state:<4}  {name:<{width}}  {text}" + (f" -> {result.to_do}" if result.to_do else "")
