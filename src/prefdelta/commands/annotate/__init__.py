"""Let people score pairs as the judge does, and take their scores in.

`export` draws pairs of a pairing and writes a sheet in two forms: an HTML page that works from disk and saves its
answers to a file, and a CSV. A sheet says neither which generator wrote a trace nor how the judge scored it, and which
side stands first is drawn. The key stays here, in annotations/<study>/. `import` checks answers (the page's JSON, or
the filled CSV), joins them with the key, and writes annotations/<study>/<sheet>.parquet. Sheets that the config names
under `annotations` are in the report: agreement, the judge's errors, and mean deltas corrected by people.
"""

import argparse
from pathlib import Path

from prefdelta.commands.annotate import export, take_in
from prefdelta.commands.study_options import add_configfile, open_study


def define(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="export|import")
    writing = actions.add_parser("export", help="write a blinded sheet")
    writing.add_argument("--pairing", required=True, metavar="CHOSEN~REJECTED", help="whose pairs are scored")
    writing.add_argument("--dimensions", nargs="+", metavar="NAME", help="what is scored (default: all dimensions)")
    writing.add_argument(
        "--by", metavar="NAME", help="dimension or composite by whose delta pairs are drawn (default: the dimension, "
        "if it is one, or else a composite)",
    )  # fmt: skip
    writing.add_argument("--pairs", type=int, default=100, help="how many (default: %(default)s)")
    writing.add_argument("--seed", type=int, default=0, help="of the draw (default: %(default)s)")
    writing.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the sheet goes")
    add_configfile(writing)
    taking = actions.add_parser("import", help="check and join what people answered")
    taking.add_argument("file", type=Path, metavar="FILE", help="saved by the page (.json), or the filled .csv")
    taking.add_argument("--annotator", metavar="NAME", help="who answered (default: the name in the page's file)")
    taking.add_argument("--partial", action="store_true", help="take a sheet of which some rows have no score")
    taking.add_argument("--replace", action="store_true", help="take out earlier answers of this person first")
    add_configfile(taking)


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    if arguments.action == "export":
        export.run(study, arguments)
    else:
        take_in.run(study, arguments)
