"""Where a pair comes from, and which arms train on it. Read-only; a run may be going on.

  prefdelta lineage g3~g1/000c225b --configfile resources/studies/mini.yaml

Up: the prompt and its source, both traces with the generator's model, commit or weights, template, sampling, seed and
call, and the judge with its texts. Down: the selections that took the pair, at which rank and whether by lottery among
equal pairs, and the arms that train on it. A unique beginning of the pair's id is enough.
"""

import argparse

from prefdelta.commands.lineage.document import read
from prefdelta.commands.lineage.tree import tree
from prefdelta.commands.looking.results import Results
from prefdelta.commands.output import add_formats, print_json, print_tree
from prefdelta.commands.study_options import add_configfile, open_study


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pair", metavar="PAIR", help="<pair_id>, or <pairing>/<pair_id>")
    add_configfile(parser)
    add_formats(parser)


def run(arguments: argparse.Namespace) -> None:
    document = read(Results(open_study(arguments.configfile)), arguments.pair)
    if arguments.json:
        print_json(document)
    else:
        print_tree(tree(document))
