"""Whether deltas, selections and gains are a matter of length.

For each pairing how much longer the chosen traces are; for each of its deltas the rank correlation with that difference
(the report's numbers); for each selection its pairs' mean difference, and the share of a selection by delta that the
longest or the shortest chosen traces would have selected as well, beside what unrelated deltas would share with the
longest; for each family of arms the mean length of its answers against its base's, with an interval over items alone.
Exit code 1 if a correlation is beyond --limit. Asks no model. Read-only.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.commands.audit.finding import Column, Finding, FoundTable, count, decimal, percent, signed
from prefdelta.commands.report_inputs import ReportInputs, present
from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.pairs.joining import column, places
from prefdelta.core.pairs.lengths import LENGTH_COLUMNS, length_column
from prefdelta.core.pairs.overlap import overlap_between
from prefdelta.core.pairs.selection_kinds.by_delta import ByDelta
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.core.statistics import mean_interval
from prefdelta.records.pair import Pair
from prefdelta.records.score import Score
from prefdelta.records.selection import SelectedPair
from prefdelta.reporting.arms import arm_at, families
from prefdelta.reporting.numbers.deltas import DeltaLine, Pairings
from prefdelta.store import tables
from prefdelta.study.study import Study

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 0.5  # with it, length explains a quarter of the variance of a delta's ranks
_PAIRINGS = (
    Column("pairing", "pairing"),
    Column("difference", "chosen − rejected", signed),
    Column("longer", "chosen longer %", percent),
    Column("pairs", "pairs", count),
    Column("unit", "unit"),
)
_DELTAS = (
    Column("pairing", "pairing"),
    Column("dimension", "dimension"),
    Column("with_length", "rank correlation", signed),
    Column("pairs", "pairs", count),
)
_SELECTIONS = (
    Column("pairing", "pairing"),
    Column("selection", "selection"),
    Column("order", "order", count),
    Column("pairs", "pairs", count),
    Column("difference", "chosen − rejected", signed),
    Column("of_all", "of all pairs", signed),
    Column("longest", "longest %", percent),
    Column("shortest", "shortest %", percent),
    Column("chance", "by chance %", percent),
)
_ARMS = (
    Column("family", "arms"),
    Column("group", "group"),
    Column("runs", "runs", count),
    Column("tokens", "tokens", decimal(1)),
    Column("base", "base", decimal(1)),
    Column("difference", "arms − base", signed),
    Column("items", "items", count),
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
    found = [
        FoundTable(
            "pairings",
            "length of chosen minus rejected traces",
            _PAIRINGS,
            [[str(one.pairing), one.difference, one.longer, one.difference.n, one.unit] for one in pairings.lengths()],
        ),
        FoundTable(
            "deltas",
            "rank correlation of deltas with this difference",
            _DELTAS,
            [[str(one.pairing), one.dimension, one.with_length, one.with_length.n] for one in lines],
        ),
        FoundTable(
            "selections",
            "selections: their pairs, and the share that length alone would have selected as well",
            _SELECTIONS,
            list(_selections(study, pairings)),
        ),
        FoundTable("arms", "answers: tokens of arms and of their base", _ARMS, list(_arms(study))),
    ]
    over = strongest is not None and _strength(strongest) > arguments.limit
    conclusion = _conclusion(strongest, known, arguments.limit)
    return Finding("length", study.config.study, found, conclusion, over, {"--limit": arguments.limit})


def _strength(line: DeltaLine) -> float:
    return abs(line.with_length.value or 0.0)


def _selections(study: Study, pairings: Pairings) -> Iterator[list[Any]]:
    """One row per pairing, selection and order that has been made, in draw 0 of the traces."""
    for job in study.jobs("filter"):
        pairing = Pairing(job.axes["chosen"], job.axes["rejected"])
        path = Path(study.results) / layout.output("filter", **job.axes)
        lengths: dict[str, float] = {**pairings.lengths_by_prompt(pairing)}
        if pairing.draw or not path.is_file() or not lengths:
            continue
        differences = _taken(study, pairing, path)
        row = [str(pairing), job.axes["selection"], int(job.axes["order"]), len(differences), mean_interval(differences)]
        of_all = mean_interval(list(lengths.values()))
        yield [*row, of_all, *_by_length(pairings, pairing, job.axes["selection"], lengths)]


def _taken(study: Study, pairing: Pairing, path: Path) -> list[float]:
    """The length differences of the selected pairs as they are trained on: those of swapped pairs with another sign."""
    import numpy as np
    import pyarrow as pa

    columns = ["pair_id", *LENGTH_COLUMNS]
    pairs = tables.read_arrow(Path(study.results) / layout.output("pair", **pairing.axes), Pair, columns)
    selected = tables.read_arrow(path, SelectedPair)
    rows = places(column(selected, "pair_id"), column(pairs, "pair_id"))
    differences, _ = length_column(pairs.take(pa.array(rows)))
    swapped = selected.column("swapped").to_numpy()
    taken: list[float] = np.where(swapped, -differences, differences)[~np.isnan(differences)].tolist()
    return taken


def _by_length(pairings: Pairings, pairing: Pairing, name: str, lengths: dict[str, float]) -> list[Any]:
    """The shares of a selection by delta that the longest, and the shortest, chosen traces share; and by chance."""
    selection = parse_selection(name)
    if not isinstance(selection, ByDelta) or selection.MATCHES:
        return [None, None, None]
    assert selection.dimension is not None
    assert selection.k is not None
    deltas = pairings.by_prompt(pairing, selection.dimension)
    if min(len(deltas), len(lengths)) < selection.k:
        return [None, None, None]
    ranks = {prompt: -selection.sort_key(delta) for prompt, delta in deltas.items()}  # the best are the largest
    shortest = {prompt: -length for prompt, length in lengths.items()}
    by_longest, by_shortest = (
        overlap_between(selection.k, (name, ranks), (unit, by)) for unit, by in (("longest", lengths), ("shortest", shortest))
    )
    return [by_longest.share, by_shortest.share, by_longest.chance]


# --- answers ------------------------------------------------------------------------------------------------------


def _arms(study: Study) -> Iterator[list[Any]]:
    """One row per family and group of benchmarks: its answers to all items, against its base's to the same items."""
    tokens = {key: _tokens(path) for key, path in score_tables(study).items()}
    for group in dict.fromkeys(group for _, group in tokens):
        arms = [arm for arm, of in tokens if of == group and isinstance(arm, Arm)]
        for family in families(arms):
            base = tokens.get((family[0].base, group))
            if base is None:
                continue
            mean = sum(tokens[arm, group] for arm in family) / len(family)
            differences = (mean - base).dropna()  # joined by item
            both = differences.index
            row = [family[0].family, group, len(family), float(mean[both].mean()), float(base[both].mean())]
            yield [*row, mean_interval(differences.tolist()), len(differences)]


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
    where = f"{strongest.pairing} {strongest.dimension}, {signed(strongest.with_length.value)}"
    over = sum(_strength(line) > limit for line in lines)
    if over:
        return (
            f"{over} of {len(lines)} deltas go with length by more than {limit:g} (the strongest: {where}): a selection "
            "by them is to that extent one by length, and is to be held against `matched-length-...`. It does not "
            "follow that the judge is wrong: better traces may be longer, or shorter, themselves."
        )
    return (
        f"No delta goes with length by more than {limit:g} (the strongest: {where}), so no selection is mainly one by "
        "length. It does not follow that length plays no part in a gain: `matched-length-...` arms show that."
    )
