"""The key of a sheet: what each row is, how its pairs were drawn, and the version of the judge that it is bound to."""

from collections.abc import Mapping
from typing import Literal

from prefdelta.core.asking.verdicts import HIGHEST, LOWEST
from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest, fraction
from prefdelta.core.people.sampling import Stratum, draw, strata_of
from prefdelta.core.settings import Settings

SIDES = ("first", "second")  # as the sheet shows them
SCORES = tuple(range(LOWEST, HIGHEST + 1))  # the judge's
Side = Literal["first", "second"]


class JudgeVersion(Settings):
    """What decides the judge's scores on one dimension, as digests."""

    judge: str
    """Of its model or address, sampling, votes and form."""

    rubric: str
    """Of the rubrics of its form."""

    template: str
    """Of the template of its prompt."""

    def changed(self, other: "JudgeVersion") -> list[str]:
        """The parts that differ, by name."""
        return [name for name in type(self).model_fields if getattr(self, name) != getattr(other, name)]


class SheetRow(Settings):
    """One pair of a sheet."""

    row: str
    """Its name in the sheet: r001, r002, ..."""

    pair_id: str
    """The pair."""

    texts: str
    """Digest of both texts, as the sheet shows them."""

    stratum: int
    """Index of its stratum."""

    chosen: Side
    """Where the sheet shows the chosen trace."""


class Sheet(Settings):
    """The key of a sheet. The sheet itself holds none of this but its own name, the rows' names and the dimensions."""

    sheet: str
    """Name of the sheet: s-<digest>."""

    study: str
    """The study."""

    pairing: str
    """<chosen generator>~<rejected generator>."""

    dimensions: list[str]
    """The dimensions that people score."""

    by: str
    """Dimension or composite by whose delta the strata were made."""

    strata: list[Stratum]
    """The strata of the pairs with a delta on `by`, lowest delta first."""

    frame: str
    """Digest of the pairs that were drawn from: their ids and texts."""

    versions: dict[str, JudgeVersion]
    """Dimension -> the judge's version at the export."""

    rows: list[SheetRow]
    """The pairs, in the order of the sheet."""


def make_sheet(
    study: str,
    pairing: str,
    dimensions: list[str],
    by: str,
    deltas: dict[str, float],
    texts: Mapping[str, str],
    pairs: int,
    seed: int,
    versions: dict[str, JudgeVersion],
) -> Sheet:
    """Draw the pairs of a sheet, their order, and which side is shown first. Equal arguments give an equal sheet.

    deltas: pair_id -> delta on `by`, of all pairs that may be drawn. texts: pair_id -> digest of both texts,
    of these pairs at least. pairs: how many are drawn; all if there are fewer.
    Raises StudyError if fewer than two pairs can be drawn.
    """
    if min(pairs, len(deltas)) < 2:
        raise StudyError(
            f"{pairing}: a sheet needs two pairs or more; {pairs} are asked for, and {len(deltas)} have a delta on "
            f"{by}."
        )
    strata, frame = strata_of(deltas), frame_of({pair_id: texts[pair_id] for pair_id in deltas})
    content = [study, pairing, dimensions, by, sorted(deltas.items()), frame, pairs, seed]
    content.append({name: version.model_dump() for name, version in sorted(versions.items())})
    name = f"s-{digest(content)[:10]}"
    drawn = draw(deltas, strata, pairs, seed)
    drawn.sort(key=lambda one: fraction("row", seed, one[0]))
    rows = [
        SheetRow(
            row=f"r{number:03d}",
            pair_id=pair_id,
            texts=texts[pair_id],
            stratum=stratum,
            chosen="first" if fraction("side", seed, pair_id) < 0.5 else "second",
        )
        for number, (pair_id, stratum) in enumerate(drawn, 1)
    ]
    return Sheet(
        sheet=name,
        study=study,
        pairing=pairing,
        dimensions=dimensions,
        by=by,
        strata=strata,
        frame=frame,
        versions=versions,
        rows=rows,
    )


def frame_of(texts: Mapping[str, str | None]) -> str:
    """The digest of the pairs that a sheet is drawn from. texts: pair_id -> digest of both texts."""
    return digest(sorted(texts.items()))[:16]
