"""Write what others can use: pairs for their trainers, results for their tables, policies with a card.

`export ARM` writes the pairs that an arm was given to train on, `export --pairing P` all pairs of a pairing: messages,
scores, lengths, grades, generators with their commits. `export results` writes every arm's accuracy with its interval
in the form of Every Eval Ever 0.3. `export policy ARM` writes a trained policy with its model card. Each needs --out, a
folder that is not there yet.
"""

import argparse
from pathlib import Path

from prefdelta.commands.export.columns import FORMATS, Format
from prefdelta.commands.export.data_set import write_data_set
from prefdelta.commands.export.pairs import find_arm, pairs_of_arm, pairs_of_pairing
from prefdelta.commands.export.policy import write_policy
from prefdelta.commands.export.results import SCHEMA, write_results
from prefdelta.commands.output import print_line
from prefdelta.commands.study_options import add_configfile, open_study
from prefdelta.core.arms import Pairing
from prefdelta.core.errors import StudyError
from prefdelta.study.study import Study

EVERY_EVAL_EVER = "every-eval-ever"
# What is exported -> the options that say how.
_MEANT = {
    "pairs": ("format", "license"),
    "results": ("format", "organization", "arms", "items"),
    "policy": ("license",),
}


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="*", metavar="ARM | results | policy ARM", help="an arm's pairs, all results, or an arm's policy"
    )
    parser.add_argument("--pairing", metavar="CHOSEN~REJECTED", help="all pairs of a pairing, in place of an arm's")
    parser.add_argument("--format", choices=[*FORMATS, EVERY_EVAL_EVER], help="of pairs (default: trl) or results")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where it goes")
    parser.add_argument(
        "--license", metavar="NAME", help='licence as the hub names it, e.g. cc-by-4.0 (default: "unknown")'
    )
    results = parser.add_argument_group("for results")
    results.add_argument("--organization", metavar="NAME", help="who provides them; needed")
    results.add_argument("--arms", nargs="+", metavar="ARM", help="of these arms and untrained policies (default: all)")
    results.add_argument("--items", action="store_true", help="also every answer, with the texts of problem and answer")
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> None:
    what = arguments.what[0] if arguments.what[:1] in (["results"], ["policy"]) else "pairs"
    given = [name for name in ("format", "license", "organization", "arms", "items") if getattr(arguments, name)]
    if strange := [f"--{name}" for name in given if name not in _MEANT[what]]:
        raise StudyError(
            f"{', '.join(strange)}: means nothing for {what}, which take "
            f"{', '.join(f'--{name}' for name in _MEANT[what])}. Leave it out."
        )
    study = open_study(arguments.configfile)
    match arguments.what, arguments.pairing:
        case ["results"], None:
            _export_results(study, arguments)
        case ["policy", name], None:
            _export_policy(study, arguments, name)
        case [name], None:
            _export_pairs(study, arguments, name)
        case [], str():
            _export_pairs(study, arguments, None)
        case _:
            raise StudyError(
                f"say what to export: an arm such as {study.arms[0]}, results, policy ARM, or --pairing P. Nothing "
                "else goes with it."
            )


def _export_pairs(study: Study, arguments: argparse.Namespace, arm: str | None) -> None:
    if arguments.format == EVERY_EVAL_EVER:
        raise StudyError(f"--format {EVERY_EVAL_EVER}: is of results, not of pairs; pairs have {', '.join(FORMATS)}.")
    form: Format = arguments.format or "trl"
    if arm is not None:
        export = pairs_of_arm(study, find_arm(study, arm))
    else:
        export = pairs_of_pairing(study, Pairing.parse(arguments.pairing))
    rows = write_data_set(export, form, arguments.out, arguments.license)
    print_line(f"written: {arguments.out}, {rows:,} rows of {len(export.pairs):,} pairs ({form})")
    _tell_of_license(arguments)


def _export_results(study: Study, arguments: argparse.Namespace) -> None:
    if arguments.format not in (None, EVERY_EVAL_EVER):
        raise StudyError(f"--format {arguments.format}: is a form of pairs; results have {EVERY_EVAL_EVER}.")
    if not arguments.organization:
        raise StudyError("--organization: say who provides the results; Every Eval Ever files them under that name.")
    written = write_results(study, arguments.out, arguments.organization, arguments.arms, arguments.items)
    print_line(
        f"written: {arguments.out}, {written.results:,} results of {written.policies:,} policies "
        f"({EVERY_EVAL_EVER} {SCHEMA}){f', {written.items:,} answers' if arguments.items else ''}"
    )


def _export_policy(study: Study, arguments: argparse.Namespace, arm: str) -> None:
    results = write_policy(study, find_arm(study, arm), arguments.out, arguments.license)
    print_line(f"written: {arguments.out}, the policy with its card, lineage and {results:,} results")
    _tell_of_license(arguments)


def _tell_of_license(arguments: argparse.Namespace) -> None:
    if arguments.license is None:
        print_line('licence: "unknown" is written; choose one with --license before you share it')
