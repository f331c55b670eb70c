"""How much of each selection by a value is drawn among pairs of equal value, and what another draw would change.

A selection of k pairs by delta takes all pairs above the cut, and draws the rest among those whose delta is the cut.
`others` are the pairs that another order of equal deltas is expected to exchange: drawn x (1 - drawn / tied). `made`
are the orders in which the study has selected, and `differ` is how many pairs two of them differ in, as they lie there.
For `matched` selections, the counts are of the top set that was matched. Exit code 1 if a selection draws more than
filter.max_drawn_share of its pairs. Asks no model. Read-only.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

from prefdelta.commands.audit.finding import Finding, FoundTable
from prefdelta.commands.audit.report_inputs import ReportInputs
from prefdelta.commands.output import Column
from prefdelta.core.statistics import mean_of_known
from prefdelta.reading.study_tables import StudyTables
from prefdelta.records.details.filter import TieCounts
from prefdelta.records.selection import SelectedPair
from prefdelta.reporting import formats
from prefdelta.reporting.numbers.ties import TieLine, tie_lines
from prefdelta.study.study import Study

TABLES = ("selections",)


@dataclass(frozen=True, slots=True)
class TiedSelection:
    pairing: str
    selection: str
    k: int
    cut: float  # value of the last pair taken: score points, or nats per token
    above: int
    tied: int
    drawn: int
    drawn_share: float  # drawn / k
    others: float  # pairs that another order is expected to exchange
    orders: list[int]  # those that are made
    differ: float | None  # pairs in which two of these differ, on average; None: fewer than two are made


_COLUMNS: Sequence[Column[TiedSelection]] = (
    Column("pairing", lambda row: row.pairing),
    Column("selection", lambda row: row.selection),
    Column("k", lambda row: formats.count(row.k), right=True),
    Column("cut", lambda row: formats.decimal(row.cut, 3), right=True),
    Column("above", lambda row: formats.count(row.above), right=True),
    Column("tied", lambda row: formats.count(row.tied), right=True),
    Column("drawn", lambda row: formats.count(row.drawn), right=True),
    Column("drawn %", lambda row: formats.percent(row.drawn_share), right=True),
    Column("others", lambda row: formats.decimal(row.others, 1), right=True),
    Column("made", lambda row: formats.listed(row.orders), right=True),
    Column("differ", lambda row: formats.decimal(row.differ, 1), right=True),
)


def define(parser: argparse.ArgumentParser) -> None:
    """It has no options of its own: its limit is in the config."""


def find(study: Study, arguments: argparse.Namespace) -> Finding:
    outputs = StudyTables((path for job in study.jobs("filter") for path in job.outputs), study.config.study)
    rows = [_row(outputs, line) for line in tie_lines(ReportInputs(study).jobs("filter"))]
    rows.sort(key=lambda row: -row.drawn_share)
    limit = study.config.filter.max_drawn_share
    title = f"{len(rows)} selections by a value: what is drawn among equal pairs"
    return Finding(
        audit="ties",
        study=study.config.study,
        tables=[FoundTable("selections", title, TiedSelection, _COLUMNS, rows)],
        conclusion=_conclusion(rows, limit),
        over_limit=any(row.drawn_share > limit for row in rows),
        limit={"filter.max_drawn_share": limit},
    )


def _row(outputs: StudyTables, line: TieLine) -> TiedSelection:
    axes = {**line.pairing.axes, "selection": line.selection}
    made = [_selected(outputs, axes | {"order": str(order)}) for order in line.orders]
    return TiedSelection(
        str(line.pairing),
        line.selection,
        **asdict(line.counts),
        drawn_share=line.counts.drawn_share,
        others=exchanged(line.counts),
        orders=list(line.orders),
        differ=_differ(made),
    )


def exchanged(counts: TieCounts) -> float:
    """How many of the k pairs another order of equal pairs is expected to exchange.

    An order draws `drawn` of the `tied` pairs, so each drawn pair is in another draw with the chance drawn / tied.
    """
    return counts.drawn * (1 - counts.drawn / counts.tied)


def _selected(outputs: StudyTables, axes: dict[str, str]) -> frozenset[str]:
    return frozenset(outputs.arrow("filter", SelectedPair, ["pair_id"], **axes).column("pair_id").to_pylist())


def _differ(made: Iterable[frozenset[str]]) -> float | None:
    return mean_of_known(len(one - other) for one, other in combinations(made, 2))


def _conclusion(rows: Sequence[TiedSelection], limit: float) -> str:
    if not rows:
        return "No selection by a value has been made yet: there is nothing to conclude."
    over = sum(row.drawn_share > limit for row in rows)
    if over:
        return (
            f"{over} of {len(rows)} selections draw more than {limit:.0%} of their pairs by lottery "
            "(filter.max_drawn_share): their arms show what such a draw gains, not what the best pairs gain. More "
            "votes, or a mean of dimensions, make fewer deltas equal. It does not follow that drawn pairs are bad ones."
        )
    return (
        f"No selection draws more than {limit:.0%} of its pairs among equal ones (filter.max_drawn_share; the most is "
        f"{rows[0].drawn_share:.0%}), so each is mostly what its name says. It does not follow that the deltas "
        "themselves are reliable: `prefdelta judge-report` says so."
    )
