"""Write a whole study into one archive with checksums, or check such an archive.

It holds all tables and manifests, config, pins, rubrics, templates, benchmarks, the registrations of the claims, and
the report with its figures; RO-Crate metadata say what each file is. Weights, recorded replies and what people answered
stay here. The same study gives the same bytes. `tar --zstd -xf FILE` unpacks it, and `sha256sum --check SHA256SUMS`
inside checks it without prefdelta.
"""

import argparse
from itertools import chain
from pathlib import Path

from prefdelta.commands.bundle import archive
from prefdelta.commands.bundle.contents import contents_of
from prefdelta.commands.bundle.crate import METADATA, crate
from prefdelta.commands.output import format_bytes, print_line
from prefdelta.commands.study_options import DEFAULT_CONFIG, add_options, open_study
from prefdelta.core.errors import StudyError


def define(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="FILE", help="the archive to write: .tar.zst or .tar.gz")
    what.add_argument("--check", type=Path, metavar="FILE", help="an archive to compare with its checksums")
    parser.add_argument("--without-texts", action="store_true", help="leave out what models wrote, and the page")
    parser.add_argument(
        "--with-annotations", action="store_true", help="also what people answered, with their names and remarks"
    )
    parser.add_argument("--license", metavar="NAME", help='licence of the archive (default: "unknown")')
    add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    if arguments.check is not None:
        if arguments.without_texts or arguments.with_annotations or arguments.license or arguments.dry_run:
            raise StudyError("--check: reads an archive as it is; leave out what says how one is written.")
        print_line(f"{arguments.check}: {archive.check(arguments.check):,} files, all as they were written")
        return
    study = open_study(arguments.configfile)
    archive.ending_of(arguments.out)
    config = arguments.configfile or DEFAULT_CONFIG
    contents = contents_of(study, config, arguments.without_texts, arguments.with_annotations)
    size = sum(member.path.stat().st_size for member in contents.members)
    print_line(f"{len(contents.members):,} files, at most {format_bytes(size)} before the archive is compressed")
    if contents.missing:
        print_line(
            f"note: {len(contents.missing):,} outputs are not made yet and are left out, first {contents.missing[0]}"
        )
    if contents.withheld:
        print_line(
            f"note: {len(contents.withheld):,} files of what people answered are left out; --with-annotations packs "
            "them, with names and remarks"
        )
    if arguments.dry_run:
        return
    metadata = crate(study, contents, arguments.license, arguments.without_texts)
    files = chain([(METADATA, metadata)], ((member.name, member.read()) for member in contents.members))
    written = archive.write(arguments.out, study.config.study, files, study.config.date)
    print_line(f"written: {arguments.out}, {format_bytes(written)}")
    if arguments.license is None:
        print_line('licence: "unknown" is written; choose one with --license before you share it')
