"""Hold a study's results against another way of measuring them, or against a limit. Asks no model; read-only.

Each audit prints tables, and in its last line what to conclude and what not. Exit code 1: its limit is passed.
"""

import argparse
from types import ModuleType

from prefdelta.commands.audit import contamination, graders, length, template, ties, truncation
from prefdelta.commands.audit.finding import add_choice, show
from prefdelta.commands.output import add_formats
from prefdelta.commands.study_options import add_configfile, open_study

# Audit -> its module, and a line about it. A module has TABLES (keys of its tables), define(parser), find(study, ...).
_LIMITED: dict[str, tuple[ModuleType, str]] = {
    "length": (length, "whether deltas, selections and gains are a matter of length"),
    "truncation": (truncation, "which texts were cut at the token limit, and what that does"),
    "contamination": (contamination, "whether prompts that are trained on overlap with items of a benchmark"),
    "template": (template, "how each model's chat template renders a prompt, and how training reads it"),
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
        add_formats(audit, csv=True)
        add_choice(audit, module.TABLES)
        module.define(audit)
        audit.set_defaults(run_audit=_run_limited)


def run(arguments: argparse.Namespace) -> int | None:
    code: int | None = arguments.run_audit(arguments)
    return code


def _run_limited(arguments: argparse.Namespace) -> int:
    module, _ = _LIMITED[arguments.audit]
    return show(module.find(open_study(arguments.configfile), arguments), arguments)
