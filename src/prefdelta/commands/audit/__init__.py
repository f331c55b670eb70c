"""Hold a study's results against another way of measuring them, or against a rule. Asks no model; read-only.

Each audit prints tables, and in its last line what to conclude and what not. Exit code 1: a limit is passed.
"""

import argparse
from types import ModuleType

from prefdelta.commands.audit import contamination, graders, length, ties, truncation
from prefdelta.commands.output import print_line
from prefdelta.commands.study_options import add_configfile, open_study

_LIMITED: dict[str, tuple[ModuleType, str]] = {
    "length": (length, "whether deltas, selections and gains are a matter of length"),
    "truncation": (truncation, "which texts were cut at the token limit, and what that does"),
    "contamination": (contamination, "whether prompts that are trained on overlap with items of a benchmark"),
    "ties": (ties, "how much of each selection is drawn among equal pairs"),
}


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
    for name, (module, summary) in _LIMITED.items():
        audit = audits.add_parser(
            name, help=summary, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        add_configfile(audit)
        audit.add_argument("--json", action="store_true", help="for a program")
        module.define(audit)
        audit.set_defaults(run_audit=_run_limited)


def run(arguments: argparse.Namespace) -> None:
    arguments.run_audit(arguments)


def _run_limited(arguments: argparse.Namespace) -> None:
    """Print what an audit found. Exits with code 1 if its limit is passed."""
    module, _ = _LIMITED[arguments.audit]
    found = module.find(open_study(arguments.configfile), arguments)
    print_line(found.as_json() if arguments.json else found.text())
    if found.over_limit:
        raise SystemExit(1)
