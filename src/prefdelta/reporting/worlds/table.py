"""The ledger's operating characteristic for a study that has run: the report's table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from prefdelta.core.ids import digest
from prefdelta.core.paper_claims import Claims
from prefdelta.reporting.content import Content
from prefdelta.reporting.worlds.assumptions import Assumptions, default_assumptions
from prefdelta.reporting.worlds.finished import finished_shape
from prefdelta.reporting.worlds.measured import measured
from prefdelta.reporting.worlds.operating import Characteristic, operating_characteristic
from prefdelta.reporting.worlds.planted import CANNOT_PLANT, Planter
from prefdelta.reporting.worlds.shape import StudyPlan, StudyShape
from prefdelta.reporting.worlds.worlds import WORLDS
from prefdelta.system.files import publish_text

FOLDER = "worlds"


@dataclass(frozen=True, slots=True)
class WorldsTable:
    """The verdicts on planted studies of a study's own shape, in every world."""

    studies: int  # in each world
    worlds: Sequence[Characteristic]
    assumptions: Sequence[tuple[str, str, str, str]]  # name, value, assumed or measured, meaning
    refused: str = ""  # why nothing could be planted


def worlds_table(
    content: Content, claims: Claims, plan: StudyPlan, studies: int, record: Path, code: str
) -> WorldsTable | None:
    """The table of a finished study; None if it has no arms. It is kept in `record/worlds/<key>.json`.

    The key is a digest of all that the verdicts depend on. code: a digest of the source that plants and judges. What
    is kept under the key is planted once; a damaged file is planted again.
    """
    if not any(experiment.arms for experiment in content.experiments.values()):
        return None
    shape = finished_shape(content, plan)
    usual = measured(default_assumptions(shape), shape, content.scores, content.grades, content.pairings)
    path = record / FOLDER / f"{_key(claims, shape, usual, studies, code)}.json"
    worlds = _kept(path)
    if worlds is None:
        try:
            worlds = _plant(claims, shape, usual, studies)
        except CANNOT_PLANT as error:
            return WorldsTable(studies, [], usual.lines(), str(error))
        text = json.dumps([asdict(world) for world in worlds], indent=1, ensure_ascii=False)
        publish_text(path, text + "\n")
    return WorldsTable(studies, worlds, usual.lines())


def _plant(claims: Claims, shape: StudyShape, usual: Assumptions, studies: int) -> list[Characteristic]:
    planter = Planter(shape, usual)
    return [operating_characteristic(claims, planter, world, studies) for world in WORLDS.values()]


def _key(claims: Claims, shape: StudyShape, usual: Assumptions, studies: int, code: str) -> str:
    # What was counted or measured decides no verdict. The order of a set's repr changes from process to process.
    planted = [repr(replace(shape, counted=frozenset())), repr(replace(usual, measured=frozenset()))]
    return digest([code, studies, [claim.digest() for claim in claims.claims], planted])[:32]


def _kept(path: Path) -> list[Characteristic] | None:
    try:
        return [Characteristic(**world) for world in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return None
