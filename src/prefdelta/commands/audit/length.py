"""Whether deltas, selections and gains are a matter of length.

For each pairing how much longer the chosen traces are; for each of its deltas the rank correlation with that difference
(the report's numbers); for each selection its pairs' mean difference, and the share of a selection by delta that the
longest or the shortest chosen traces would have selected as well, beside what unrelated deltas would share with the
longest; for each family of arms the mean length of its answers against its base's, with an interval over items alone.
Exit code 1 if a correlation is beyond --limit. Asks no model. Read-only.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.commands.audit.finding import Finding, FoundTable, interval
from prefdelta.commands.audit.report_inputs import ReportInputs, present
from prefdelta.commands.output import Column
from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.pairs.joining import column, places
from prefdelta.core.pairs.lengths import LENGTH_COLUMNS, length_column
from prefdelta.core.pairs.overlap import overlap_between
from prefdelta.core.pairs.selection_kinds.by_delta import ByDelta
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.core.statistics import Estimate, mean_interval
from prefdelta.reading.study_tables import StudyTables
from prefdelta.records.pair import Pair
from prefdelta.records.score import Score
from prefdelta.records.selection import SelectedPair
from prefdelta.reporting import formats
from prefdelta.reporting.arms import arm_at, families, pairing_at
from prefdelta.reporting.numbers.deltas import DeltaLine, Pairings
from prefdelta.store import tables
from prefdelta.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 0.5  # with it, length explains a quarter of the variance of a delta's ranks
TABLES = ("pairings", "deltas", "selections", "arms")


@dataclass(frozen=True, slots=True)
class PairingLength:
    pairing: str
    difference: Estimate  # chosen minus rejected
    longer: Estimate  # share of pairs whose chosen trace is the longer one
    unit: str


@dataclass(frozen=True, slots=True)
class DeltaWithLength:
    pairing: str
    dimension: str
    correlation: Estimate  # of ranks


@dataclass(frozen=True, slots=True)
class SelectionLength:
    pairing: str
    selection: str
    order: int
    pairs: int
    difference: Estimate  # chosen minus rejected, as they are trained on
    of_all: Estimate  # of all eligible pairs of the pool
    longest: float | None  # share of a selection by delta that is among the k longest differences
    shortest: float | None  # among the k shortest ones
    chance: Estimate | None  # what unrelated deltas would share with the longest


@dataclass(frozen=True, slots=True)
class ArmLength:
    family: str
    group: str
    runs: int
    items: int
    tokens: float  # mean over the answers
    base: float
    difference: Estimate  # arms minus base, over items


_PAIRINGS: Sequence[Column[PairingLength]] = (
    Column("pairing", lambda row: row.pairing),
    Column("chosen − rejected", lambda row: interval(row.difference, formats.signed), right=True),
    Column("chosen longer %", lambda row: interval(row.longer, formats.percent), right=True),
    Column("pairs", lambda row: formats.count(row.difference.n), right=True),
    Column("unit", lambda row: row.unit),
)
_DELTAS: Sequence[Column[DeltaWithLength]] = (
    Column("pairing", lambda row: row.pairing),
    Column("dimension", lambda row: row.dimension),
    Column("rank correlation", lambda row: interval(row.correlation, formats.signed), right=True),
    Column("pairs", lambda row: formats.count(row.correlation.n), right=True),
)
_SELECTIONS: Sequence[Column[SelectionLength]] = (
    Column("pairing", lambda row: row.pairing),
    Column("selection", lambda row: row.selection),
    Column("order", lambda row: str(row.order), right=True),
    Column("pairs", lambda row: formats.count(row.pairs), right=True),
    Column("chosen − rejected", lambda row: interval(row.difference, formats.signed), right=True),
    Column("of all", lambda row: formats.signed(row.of_all.value), right=True),
    Column("longest %", lambda row: formats.percent(row.longest), right=True),
    Column("shortest %", lambda row: formats.percent(row.shortest), right=True),
    Column("by chance %", lambda row: interval(row.chance, formats.percent), right=True),
)
_ARMS: Sequence[Column[ArmLength]] = (
    Column("arms", lambda row: row.family),
    Column("group", lambda row: row.group),
    Column("runs", lambda row: str(row.runs), right=True),
    Column("tokens", lambda row: formats.decimal(row.tokens, 1), right=True),
    Column("base", lambda row: formats.decimal(row.base, 1), right=True),
    Column("arms − base", lambda row: interval(row.difference, formats.signed), right=True),
    Column("items", lambda row: formats.count(row.items), right=True),
)


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit",
        type=float,
        default=LIMIT,
        metavar="R",
        help="largest rank correlation of a delta with length, of either sign (default: %(default)s, at which length "
        "explains a quarter of the variance of the ranks)",
    )


def find(study: Study, arguments: argparse.Namespace) -> Finding:
    inputs = ReportInputs(study)
    pairings = inputs.pairings
    lines = pairings.lines()
    known = [line for line in lines if line.with_length.value is not None]
    strongest = max(known, key=_strength, default=None)
    lengths = [PairingLength(str(one.pairing), one.difference, one.longer, one.unit) for one in pairings.lengths()]
    deltas = [DeltaWithLength(str(one.pairing), one.dimension, one.with_length) for one in lines]
    found: list[FoundTable[Any]] = [
        FoundTable("pairings", "length of chosen minus rejected traces", PairingLength, _PAIRINGS, lengths),
        FoundTable("deltas", "deltas: rank correlation with this difference", DeltaWithLength, _DELTAS, deltas),
        FoundTable(
            "selections",
            "selections: length of their pairs, and the share of them that length alone would have selected as well",
            SelectionLength,
            _SELECTIONS,
            list(_selections(study, pairings)),
        ),
        FoundTable("arms", "answers: tokens of arms and of their base", ArmLength, _ARMS, list(_arms(study))),
    ]
    over = strongest is not None and _strength(strongest) > arguments.limit
    conclusion = _conclusion(strongest, known, arguments.limit)
    return Finding("length", study.config.study, found, conclusion, over, {"--limit": arguments.limit})


def _strength(line: DeltaLine) -> float:
    return abs(line.with_length.value or 0.0)


def _selections(study: Study, pairings: Pairings) -> Iterator[SelectionLength]:
    """One row per pairing, selection and order that has been made, in draw 0 of the traces."""
    outputs = StudyTables(study.outputs, study.config.study)
    for place in outputs.places("filter"):
        pairing, name = pairing_at(place), place.axes["selection"]
        lengths: dict[str, float] = {**pairings.lengths_by_prompt(pairing)}
        if pairing.draw or not lengths:
            continue
        differences = _taken(outputs, place)
        yield SelectionLength(
            str(pairing),
            name,
            int(place.axes["order"]),
            len(differences),
            mean_interval(differences),
            mean_interval(list(lengths.values())),
            *_by_length(pairings, pairing, name, lengths),
        )


def _taken(outputs: StudyTables, place: layout.Place) -> list[float]:
    """The length differences of the selected pairs as they are trained on: those of swapped pairs with another sign."""
    import numpy as np
    import pyarrow as pa

    pairs = outputs.arrow("pair", Pair, ["pair_id", *LENGTH_COLUMNS], **pairing_at(place).axes)
    selected = outputs.arrow("filter", SelectedPair, None, **place.axes)
    rows = places(column(selected, "pair_id"), column(pairs, "pair_id"))
    differences, _ = length_column(pairs.take(pa.array(rows)))
    swapped = selected.column("swapped").to_numpy()
    taken: list[float] = np.where(swapped, -differences, differences)[~np.isnan(differences)].tolist()
    return taken


def _by_length(
    pairings: Pairings, pairing: Pairing, name: str, lengths: dict[str, float]
) -> tuple[float | None, float | None, Estimate | None]:
    """`longest`, `shortest` and `chance` of a SelectionLength."""
    selection = parse_selection(name)
    if not isinstance(selection, ByDelta) or selection.MATCHES:
        return None, None, None
    assert selection.dimension is not None
    assert selection.k is not None
    deltas = pairings.by_prompt(pairing, selection.dimension)
    if min(len(deltas), len(lengths)) < selection.k:
        return None, None, None
    ranks = {prompt: -selection.sort_key(delta) for prompt, delta in deltas.items()}  # the best are the largest
    shortest = {prompt: -length for prompt, length in lengths.items()}
    by_longest, by_shortest = (
        overlap_between(selection.k, (name, ranks), (unit, by))
        for unit, by in (("longest", lengths), ("shortest", shortest))
    )
    return by_longest.share, by_shortest.share, by_longest.chance


# --- answers ------------------------------------------------------------------------------------------------------


def _arms(study: Study) -> Iterator[ArmLength]:
    """One row per family and group of benchmarks: its answers to all items, against its base's to the same items."""
    tokens = {key: _tokens(path) for key, path in score_tables(study).items()}
    for group in dict.fromkeys(group for _, group in tokens):
        for family in families(arm for arm, of in tokens if of == group and isinstance(arm, Arm)):
            base = tokens.get((family[0].base, group))
            if base is None:
                continue
            arms = mean_by_item(tokens[arm, group] for arm in family)
            differences = (arms - base).dropna()  # joined by item
            both = differences.index
            yield ArmLength(
                family=family[0].family,
                group=group,
                runs=len(family),
                items=len(both),
                tokens=float(arms[both].mean()),
                base=float(base[both].mean()),
                difference=mean_interval(differences.tolist()),
            )


def mean_by_item(runs: "Iterable[pd.Series[float]]") -> "pd.Series[float]":
    """The mean over runs of a number per item, of the items that all of them have."""
    import pandas as pd

    means: pd.Series[float] = pd.concat(list(runs), axis=1, join="inner").mean(axis=1)
    return means


def score_tables(study: Study) -> dict[tuple[Arm | Base, str], Path]:
    """(Arm or untrained policy, group of benchmarks) -> its table of scores, of those that are there."""
    found = {}
    for job in study.jobs("evaluate"):
        for path in present(job.outputs):
            place = layout.place_of(path, study.config.study)
            found[arm_at(place), place.axes["group"]] = path
    return found


def _tokens(path: Path) -> "pd.Series[float]":
    """Mean tokens of the answers to each item, by (benchmark, prompt_id)."""
    frame = tables.read_arrow(path, Score, ["benchmark", "prompt_id", "n_tokens"]).to_pandas()
    means: pd.Series[float] = frame.groupby(["benchmark", "prompt_id"])["n_tokens"].mean()
    return means


def _conclusion(strongest: DeltaLine | None, lines: Sequence[DeltaLine], limit: float) -> str:
    if strongest is None:
        return "No deltas have been computed yet: there is nothing to conclude."
    where = f"{strongest.pairing} {strongest.dimension}, {formats.signed(strongest.with_length.value)}"
    over = sum(_strength(line) > limit for line in lines)
    if over:
        return (
            f"{over} of {len(lines)} deltas go with length by more than {limit:g} (the strongest: {where}): a "
            "selection by them is to that extent one by length, and is to be held against `matched-length-...`. It "
            "does not follow that the judge is wrong: better traces may be longer, or shorter, themselves."
        )
    return (
        f"No delta goes with length by more than {limit:g} (the strongest: {where}), so no selection is mainly one by "
        "length. It does not follow that length plays no part in a gain: `matched-length-...` arms show that."
    )
