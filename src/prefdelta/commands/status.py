"""The status of a study, while it runs and after: which jobs are done, run (how long), or failed (why).

Read-only: it takes no lock and writes nothing, so it can be run at any time, also from another machine. A job is done
if its outputs exist, and stale if its manifest says that they were made with other settings, source, texts or inputs
than it would get now.
"""

import argparse
import json
from dataclasses import asdict

from prefdelta.commands.output import print_line
from prefdelta.commands.overview.job_status import read_status
from prefdelta.commands.overview.last_run import command_to_go_on
from prefdelta.commands.overview.summary import summarise
from prefdelta.commands.overview.text import failures_text, text
from prefdelta.commands.study_options import add_configfile, open_study


def define(parser: argparse.ArgumentParser) -> None:
    add_configfile(parser)
    parser.add_argument("--failed", action="store_true", help="only what failed or was stopped, and all of it")
    parser.add_argument("--json", action="store_true", help="the same for programs, about every job")


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    summary = summarise(study, read_status(study))
    if arguments.json:
        print_line(json.dumps(asdict(summary), indent=2))
        return
    command = command_to_go_on(summary.run, arguments.configfile)
    print_line(failures_text(summary, command, everything=True) if arguments.failed else text(summary, command))
