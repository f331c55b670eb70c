"""What the ledger of claims concludes in worlds whose truth is known, for studies of this study's shape.

A world is a planted truth: what gains follow. In each world, studies with the config's own arms, seeds, benchmarks and
pairs are drawn, and the claims of resources/claims.yaml are judged. The tables are the operating characteristic of the
ledger: the share of the studies in which a claim gets a verdict. What is taken for granted is printed below; what the
study's results show replaces it. The same command prints the same output. Read-only. The worlds are listed, and can be
added to, in prefdelta/reporting/worlds/worlds.py.

--json prints one object:
  study, studies           name; how many studies were planted in each world
  worlds.<world>           about; decided: share of the studies in which any claim is reproduced or contradicted;
                           claims: claim -> verdict -> share of the studies
  assumptions.<name>       value, basis (assumed or measured), meaning
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from prefdelta.commands.output import print_line
from prefdelta.commands.study_options import add_configfile, open_study
from prefdelta.commands.text_table import table, wrapped
from prefdelta.core.errors import StudyError
from prefdelta.reporting.claims.verdicts import read_claims
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.operating import Characteristic, operating_characteristic
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.shape import StudyShape
from prefdelta.reporting.worlds.worlds import WORLDS, World
from prefdelta.study.shape import assumptions_of, shape_of
from prefdelta.study.texts import REPORT_CLAIMS
from prefdelta.system.processes import cores


def define(parser: argparse.ArgumentParser) -> None:
    add_configfile(parser)
    parser.add_argument("--studies", type=int, default=100, metavar="N", help="per world (default: %(default)s)")
    parser.add_argument(
        "--world",
        action="append",
        choices=list(WORLDS),
        help="only this one; may be given several times (default: all)",
    )
    parser.add_argument(
        "--run-sd", type=float, metavar="X", help="points by which training runs vary, in worlds that do not say so"
    )
    parser.add_argument("--json", action="store_true", help="for a program")


def run(arguments: argparse.Namespace) -> None:
    if arguments.studies < 1 or (arguments.run_sd or 0) < 0:
        raise StudyError("--studies must be at least 1, and --run-sd at least 0.")
    study = open_study(arguments.configfile)
    shape = shape_of(study)
    usual = assumptions_of(study, shape)
    if arguments.run_sd is not None:
        usual = replace(usual, run_sd=arguments.run_sd, measured=usual.measured - {"run_sd"})
    worlds = [WORLDS[name] for name in dict.fromkeys(arguments.world or WORLDS)]
    found = _characteristics(shape, usual, worlds, arguments.studies)
    print_line(json.dumps(_as_json(shape, usual, found), indent=2) if arguments.json else text(shape, usual, found))


def _characteristics(
    shape: StudyShape, usual: Assumptions, worlds: Sequence[World], studies: int
) -> list[Characteristic]:
    """The worlds side by side, on this machine's cores."""
    claims = read_claims(Path(REPORT_CLAIMS))
    planter = Planter(shape, usual)
    planter.prepare(worlds, studies)
    with ProcessPoolExecutor(min(cores(), len(worlds))) as processes:
        jobs = [processes.submit(operating_characteristic, claims, planter, world, studies) for world in worlds]
        return [job.result() for job in jobs]


def text(shape: StudyShape, usual: Assumptions, found: Sequence[Characteristic]) -> str:
    """The operating characteristic for a person: for each world a row per claim, the most frequent verdict first."""
    lines = [f"study {shape.study}: share of {found[0].studies} planted studies in which a claim gets a verdict, in %"]
    for world in found:
        rows = []
        for claim, counts in world.counts.items():
            verdicts = sorted(counts, key=lambda verdict: (-counts[verdict], verdict))
            rows.append(
                [claim, ", ".join(f"{100 * world.share(claim, verdict):.0f} {verdict}" for verdict in verdicts)]
            )
        rows.append(["any claim", f"{100 * world.decided / world.studies:.0f} reproduced or contradicted"])
        lines += ["", wrapped(f"{world.world}: {world.about}"), *(wrapped(line, "  ") for line in table(rows))]
    return "\n".join([*lines, "", *assumptions_text(shape, usual)])


def assumptions_text(shape: StudyShape, usual: Assumptions) -> list[str]:
    """What is taken for granted, a line each."""
    items = ", ".join(f"{name} {count:,}" for name, count in {"train": shape.prompts, **shape.items}.items())
    counted = "all counted" if len(shape.counted) > len(shape.items) else "declared or kept by the config, none counted"
    if 0 < len(shape.counted) <= len(shape.items):
        counted = f"counted: {', '.join(sorted(shape.counted))}; others declared"
    lines = [f"problems: {items} ({counted})"]
    lines += [f"{name} {value} ({basis}): {meaning}" for name, value, basis, meaning in usual.lines()]
    return ["assumptions", *(wrapped(line, "  ") for line in lines)]


def _as_json(shape: StudyShape, usual: Assumptions, found: Sequence[Characteristic]) -> Mapping[str, object]:
    return {
        "study": shape.study,
        "studies": found[0].studies,
        "worlds": {
            world.world: {
                "about": world.about,
                "decided": world.decided / world.studies,
                "claims": {
                    claim: {verdict: world.share(claim, verdict) for verdict in sorted(counts)}
                    for claim, counts in world.counts.items()
                },
            }
            for world in found
        },
        "assumptions": {
            name: {"value": getattr(usual, name), "basis": basis, "meaning": meaning}
            for name, _, basis, meaning in usual.lines()
        },
    }
