"""Show one thing of a study, whole, with where it comes from. Asks no model and writes nothing; a run may be going on.

  prefdelta show trace g3/001914e07e04317a/0       the text, its grade and scores, how it was made
  prefdelta show judgement g3/001914e07e04317a/0   every vote: the judge's reasoning, its reply and what it was asked
  prefdelta show pair g3~g1/000c225b               both sides, scores and reasons, who trained on it
  prefdelta show arm pa/g3~g1/all/dpo/s0           its pairs, training, accuracies and gains
  prefdelta show selection g3~g1/top-mean-700      how much was drawn among ties, and who trains on it
  prefdelta show item mini_maths_hard/000484791c   how every arm answered a benchmark's item

A unique beginning of an id is enough. `prefdelta pairs` finds pairs, `prefdelta compare` finds items that changed.
"""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any

from prefdelta.commands.looking.results import Results
from prefdelta.commands.output import add_formats, print_json
from prefdelta.commands.study_options import add_configfile, open_study

_KINDS = {
    "trace": "<generator>/<prompt_id>/<sample>; without a sample it is 0",
    "judgement": "<generator>/<prompt_id>/<sample>, with /<dimension> behind it or without; without a sample it is 0",
    "pair": "<pair_id>, or <pairing>/<pair_id>",
    "arm": "<policy>/<pairing>/<selection>/<recipe>/s<seed>; without s<seed>, all its repeats; or <policy>/base",
    "selection": "<pairing>/<selection>",
    "item": "<benchmark>/<prompt_id>",
}


def define(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind, form in _KINDS.items():
        about = str(_module(kind).__doc__)
        one = kinds.add_parser(
            kind,
            help=about.partition("\n")[0],
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.add_argument("id", metavar="ID", help=form)
        add_configfile(one)
        add_formats(one)
        if add_options := getattr(_module(kind), "add_options", None):
            add_options(one)


def run(arguments: argparse.Namespace) -> None:
    results = Results(open_study(arguments.configfile))
    module = _module(arguments.kind)
    read: Callable[[Results, argparse.Namespace], Any] = module.read
    document = read(results, arguments)
    if arguments.json:
        print_json(document)
    else:
        module.show(document, arguments)


def _module(kind: str) -> Any:
    return import_module(f"prefdelta.commands.show.{kind}")
