"""Hold one arm against another on the problems that both answered. Read-only; a run may be going on.

  prefdelta compare pa/g3~g1/top-mean-700/dpo pa/g3~g1/random-700-s0/dpo     all seeds of both, by panel, as the report
  prefdelta compare pa/g4~g0/common-scaling/dpo pa/base --on maths --level hard
  prefdelta compare pa/g3~g1/all/dpo/s0 pa/base --on mini_maths_hard --items 10

Each line is the first arm minus the second, in percentage points, with the report's 95% interval of problems and runs.
The verdict: better or worse if the interval excludes 0, else not told apart. The smallest effect is the smallest true
difference that 80% of such studies tell apart. An arm's name without /s<seed> means the mean over all its seeds, a
random selection's without its seed all its draws; <policy>/base is the untrained policy.

Exits with 0 whatever the verdict is. With --expect it exits with 1 unless every line is as expected.
"""

import argparse

from prefdelta.commands.compare.contrasts import EXPECTATIONS, OVER, ChangedItem, Contrast, as_expected, compare
from prefdelta.commands.compare.items import changed_items
from prefdelta.commands.compare.text import print_comparison
from prefdelta.commands.looking.results import Results
from prefdelta.commands.output import ANSWER_IS_NO, add_formats, number_of_lines, print_csv, print_json
from prefdelta.commands.study_options import add_configfile, open_study


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "first", metavar="ARM", help="<policy>/<pairing>/<selection>/<recipe>, with or without /s<seed>"
    )
    parser.add_argument("second", metavar="ARM", help="the arm that it is held against, or <policy>/base")
    parser.add_argument(
        "--on",
        default="panels",
        metavar="WHERE",
        help=f"a domain (maths, stem, code), a benchmark, or one of {', '.join(OVER)} (default: %(default)s: the "
        "benchmarks of one domain and level together)",
    )
    parser.add_argument("--level", choices=["easy", "hard"], help="only benchmarks of this level")
    parser.add_argument("--group", metavar="GROUP", help="a group of `evaluate` (default: the primary ones)")
    parser.add_argument(
        "--items",
        type=number_of_lines,
        default=0,
        metavar="N",
        help="list the N problems that changed most, each way; with --csv they are the table",
    )
    parser.add_argument(
        "--expect", choices=EXPECTATIONS, help="exit with 1 unless every line is so: better, or at least not worse"
    )
    add_configfile(parser)
    add_formats(parser, csv=True)


def run(arguments: argparse.Namespace) -> int:
    results = Results(open_study(arguments.configfile))
    comparison = compare(
        results, arguments.first, arguments.second, on=arguments.on, level=arguments.level, group=arguments.group
    )
    items = changed_items(results, comparison, arguments.items) if arguments.items > 0 else []
    document = comparison.document(items)
    if arguments.json:
        print_json(document)
    elif arguments.csv and arguments.items > 0:
        print_csv(ChangedItem, items)
    elif arguments.csv:
        print_csv(Contrast, document.contrasts)
    else:
        print_comparison(document, arguments.configfile)
    if arguments.expect and not as_expected(document.contrasts, arguments.expect):
        return ANSWER_IS_NO
    return 0
