"""Hold a study's results against another way of measuring them. Asks no model; read-only.

`prefdelta audit graders`: the same recorded answers, graded by other graders of mathematics.
"""

import argparse

from prefdelta.commands.audit import graders
from prefdelta.commands.study_options import add_configfile


def define(parser: argparse.ArgumentParser) -> None:
    audits = parser.add_subparsers(dest="audit", required=True, metavar="AUDIT")
    graded = audits.add_parser(
        "graders",
        help="accuracies and gains by other graders of mathematics",
        description=graders.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_configfile(graded)
    graded.add_argument(
        "--show",
        type=int,
        default=0,
        metavar="N",
        help="print N answers for each benchmark and grader that differs from ours: their end, the right answers and "
        "all verdicts (default: %(default)s)",
    )
    graded.set_defaults(run_audit=graders.run)


def run(arguments: argparse.Namespace) -> None:
    arguments.run_audit(arguments)
