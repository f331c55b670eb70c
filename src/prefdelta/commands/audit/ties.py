"""How much of each selection by a value is drawn among pairs of equal value, and what another draw would change.

A selection of k pairs by delta takes all pairs above the cut, and draws the rest among those whose delta is the cut.
`others` are the pairs that another order of equal deltas is expected to exchange: drawn x (1 - drawn / tied). `made`
are the orders in which the study has selected, and `differ` how many pairs two of them differ in, as they lie there.
For `matched` selections, the counts are of the top set that was matched. Exit code 1 if a selection is drawn by more
than filter.max_drawn_share. Asks no model. Read-only.
"""

import argparse
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

from prefdelta.commands.audit.finding import Column, Finding, FoundTable, count, decimal, percent
from prefdelta.core import layout
from prefdelta.core.statistics import mean_of_known
from prefdelta.records.details.filter import TieCounts
from prefdelta.records.selection import SelectedPair
from prefdelta.reporting.manifests import read_jobs
from prefdelta.reporting.numbers.ties import TieLine, tie_lines
from prefdelta.store import tables
from prefdelta.study.study import Study

_COLUMNS = (
    Column("pairing", "pairing"),
    Column("selection", "selection"),
    Column("k", "k", count),
    Column("cut", "cut", decimal(3)),
    Column("above", "above", count),
    Column("tied", "tied", count),
    Column("drawn", "drawn", count),
    Column("drawn_share", "drawn %", percent),
    Column("others", "others", decimal(1)),
    Column("orders", "made", lambda orders: ", ".join(map(str, orders))),
    Column("differ", "differ", decimal(1)),
)


def define(parser: argparse.ArgumentParser) -> None:
    """It has no options of its own."""


def find(study: Study, arguments: argparse.Namespace) -> Finding:
    manifests = [path for job in study.jobs("filter") if (path := Path(job.manifest)).is_file()]
    lines = tie_lines(read_jobs(manifests, study.config.study))
    limit = study.config.filter.max_drawn_share
    over = [line for line in lines if line.counts.drawn_share > limit]
    lines.sort(key=lambda line: -line.counts.drawn_share)
    return Finding(
        audit="ties",
        study=study.config.study,
        tables=[
            FoundTable(
                "selections",
                f"{len(lines)} selections by a value: what is drawn among equal pairs",
                _COLUMNS,
                [_row(study, line) for line in lines],
            )
        ],
        conclusion=_conclusion(lines, over, limit),
        over_limit=bool(over),
        limit={"filter.max_drawn_share": limit},
    )


def _row(study: Study, line: TieLine) -> list[object]:
    counts = line.counts
    return [
        *(str(line.pairing), line.selection, counts.k, counts.cut, counts.above, counts.tied, counts.drawn),
        *(counts.drawn_share, exchanged(counts), list(line.orders)),
        _differ(_selected(study, line, order) for order in line.orders),
    ]


def exchanged(counts: TieCounts) -> float:
    """How many of the k pairs another order of equal pairs is expected to exchange.

    An order draws `drawn` of the `tied` pairs, so each drawn pair is in another draw with the chance drawn / tied.
    """
    return counts.drawn * (1 - counts.drawn / counts.tied) if counts.tied else 0.0


def _selected(study: Study, line: TieLine, order: int) -> frozenset[str]:
    axes = {**line.pairing.axes, "selection": line.selection, "order": order}
    path = Path(study.results) / layout.output("filter", **axes)
    return frozenset(tables.read_arrow(path, SelectedPair, ["pair_id"]).column("pair_id").to_pylist())


def _differ(selected: Iterable[frozenset[str]]) -> float | None:
    """How many pairs of one order are not in another one, on average over all two of them."""
    return mean_of_known(len(one - other) for one, other in combinations(selected, 2))


def _conclusion(lines: Sequence[TieLine], over: Sequence[TieLine], limit: float) -> str:
    if not lines:
        return "No selection by a value has been made yet: there is nothing to conclude."
    if over:
        return (
            f"{len(over)} of {len(lines)} selections draw more than {limit:.0%} of their pairs by lottery "
            "(filter.max_drawn_share): their arms show what such a draw gains, not what the best pairs gain. More votes, "
            "or a mean of dimensions, make fewer deltas equal. It does not follow that the drawn pairs are bad ones."
        )
    most = max(line.counts.drawn_share for line in lines)
    return (
        f"No selection is drawn by more than {limit:.0%} among equal pairs (filter.max_drawn_share; the most is "
        f"{most:.0%}), so each is mostly what its name says. It does not follow that the deltas themselves are "
        "reliable: `prefdelta judge-report` says so."
    )
