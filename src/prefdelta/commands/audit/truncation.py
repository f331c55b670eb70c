"""Which texts were cut at the token limit, and what that does to pairs and accuracies.

For each generator and draw the share of traces that were cut; for each pairing how many pairs of its pool were dropped
because a side was cut, how often the other side is right, and how hard their prompts are (share of all generators'
traces that are right), beside the pairs that stayed; for each arm and benchmark the share of answers that were cut,
against its base. A cut trace is neither judged nor trained on; a cut answer counts as wrong. --list names cut traces
and answers by their ids. Exit code 1 if a generator or an arm is cut more often than --limit. Asks no model. Read-only.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.commands.audit.finding import Column, Finding, FoundTable, count, percent, points
from prefdelta.commands.audit.length import score_tables
from prefdelta.commands.report_inputs import present
from prefdelta.core.arms import Arm, Pairing
from prefdelta.core.pairs.matching import pass_rates
from prefdelta.core.statistics import Estimate, mean_interval, wilson_interval
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair
from prefdelta.records.score import Score
from prefdelta.records.trace import Trace
from prefdelta.reporting.arms import families
from prefdelta.store import tables
from prefdelta.study.study import Study

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

CUT = "length"  # the finish reason of a text that reached its token limit
_SIDES = ("chosen", "rejected")
_GENERATORS = (
    Column("generator", "generator"),
    Column("traces", "traces", count),
    Column("cut", "cut", count),
    Column("share", "cut %", percent),
    Column("max_tokens", "max_tokens", count),
)
_PAIRINGS = (
    Column("pairing", "pairing"),
    Column("prompts", "prompts", count),
    Column("chosen_cut", "chosen cut", count),
    Column("rejected_cut", "rejected cut", count),
    Column("dropped", "dropped", count),
    Column("dropped_other_right", "other side right %", percent),
    Column("kept_right", "kept, right %", percent),
    Column("dropped_pass_rate", "pass rate of dropped %", percent),
    Column("kept_pass_rate", "of kept %", percent),
)
_ARMS = (
    Column("family", "arms"),
    Column("group", "group"),
    Column("benchmark", "benchmark"),
    Column("answers", "answers", count),
    Column("share", "cut %", percent),
    Column("base", "base cut %", percent),
    Column("difference", "arms − base, points", points),
)
_TRACES = (
    Column("generator", "generator"),
    Column("prompt_id", "prompt"),
    Column("sample", "sample", count),
    Column("n_tokens", "tokens", count),
    Column("call_key", "call"),
)
_ANSWERS = (
    Column("arm", "arm"),
    Column("group", "group"),
    Column("benchmark", "benchmark"),
    Column("prompt_id", "item"),
    Column("sample", "sample", count),
    Column("n_tokens", "tokens", count),
    Column("call_key", "call"),
)


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit",
        type=float,
        metavar="SHARE",
        help="largest share of a generator's traces, or of a family's answers to a benchmark, that may be cut, from 0 "
        "to 1 (default: generate.max_failure_share of the config)",
    )
    parser.add_argument(
        "--list",
        type=int,
        default=0,
        metavar="N",
        help="name the first N cut traces of each generator, and the first N cut answers of each arm, by their ids",
    )


def find(study: Study, arguments: argparse.Namespace) -> Finding:
    default = study.config.generate.max_failure_share
    limit = default if arguments.limit is None else arguments.limit
    generators, cut_traces = _generators(study, arguments.list)
    pairings = _pairings(study)
    arms, cut_answers = _arms(study, arguments.list)
    dropping, cutting = [row for row in pairings if row[4]], [row for row in arms if row[4] or row[5]]
    found = [
        FoundTable("generators", "traces", _GENERATORS, generators),
        FoundTable(
            "pairings",
            f"pools that lost pairs because a side was cut: {len(dropping)} of {len(pairings)}",
            _PAIRINGS,
            dropping,
        ),
        FoundTable(
            "arms",
            f"families of arms and benchmarks with cut answers, their own or their base's: {len(cutting)} of {len(arms)}",
            _ARMS,
            cutting,
        ),
    ]
    if arguments.list:
        found.append(FoundTable("traces", f"cut traces: the first {arguments.list} of each generator", _TRACES, cut_traces))
        found.append(FoundTable("answers", f"cut answers: the first {arguments.list} of each arm", _ANSWERS, cut_answers))
    shares = {f"traces of {row[0]}": row[3].value for row in generators if row[1]}
    shares |= {f"answers of {row[0]}, {row[1]}, to {row[2]}": row[4] for row in arms}
    name = "generate.max_failure_share" if arguments.limit is None else "--limit"
    over = [place for place, share in shares.items() if share > limit]
    conclusion = _conclusion(shares, over, limit, name)
    return Finding("truncation", study.config.study, found, conclusion, bool(over), {name: limit})


# --- traces and pairs ---------------------------------------------------------------------------------------------


def _generators(study: Study, listed: int) -> tuple[list[list[Any]], list[list[Any]]]:
    """(A row per generator and draw, the rows of cut traces that are listed)."""
    rows, cut_traces = [], []
    for job in study.jobs("generate"):
        if job.kind != "generate":
            continue
        name = job.axes["generator"]
        for path in present(job.outputs):
            table = tables.read_arrow(path, Trace, ["prompt_id", "sample", "finish_reason", "n_tokens", "call_key"])
            cut = _cut(table)
            share = wilson_interval(len(cut), len(table))
            settings: Any = job.typed_settings
            rows.append([name, len(table), len(cut), share, settings.sampling.max_tokens])
            cut_traces += [
                [name, *(row[key] for key in ("prompt_id", "sample", "n_tokens", "call_key"))]
                for row in cut.slice(0, listed).to_pylist()
            ]
    return rows, cut_traces


def _cut(table: "pa.Table") -> "pa.Table":
    import pyarrow.compute as pc

    return table.filter(pc.fill_null(pc.equal(table.column("finish_reason"), CUT), False))


def _pairings(study: Study) -> list[list[Any]]:
    """A row per pairing, in all draws."""
    rates = _difficulty(study)
    rows = []
    for job in study.jobs("pair"):
        for path in present(job.outputs):
            pool = [pair for pair in tables.read(path, Pair) if pair.pool]
            dropped = [pair for pair in pool if _side_cut(pair)]
            kept = [pair for pair in pool if pair.eligible]
            sides = Counter(_side_cut(pair) for pair in dropped)
            rows.append(
                [
                    str(Pairing(job.axes["chosen"], job.axes["rejected"])),
                    len(pool),
                    *(sides[side] for side in _SIDES),
                    len(dropped),
                    _right(getattr(pair, f"{other}_correct") for pair in dropped for other in _SIDES if other != _side_cut(pair)),
                    _right(getattr(pair, f"{side}_correct") for pair in kept for side in _SIDES),
                    *(mean_interval([rates[pair.prompt_id] for pair in part if pair.prompt_id in rates]) for part in (dropped, kept)),
                ]
            )
    return rows


def _side_cut(pair: Pair) -> str | None:
    """The side whose cut trace made a pair not eligible."""
    side, _, reason = (pair.reason or "").partition("_")
    return side if reason == "truncated" else None


def _right(correct: Iterator[bool | None]) -> Estimate:
    known = [one for one in correct if one is not None]
    return wilson_interval(sum(known), len(known))


def _difficulty(study: Study) -> dict[str, float]:
    """prompt_id -> share of all generators' traces that are right. Cut traces do not count: they make no prompt hard."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = ["prompt_id", "correct", "failure"]
    paths = present(path for job in study.jobs("grade") for path in job.outputs)
    if not paths:
        return {}
    grades = pa.concat_tables([tables.read_arrow(path, Grade, columns) for path in paths])
    whole = pc.fill_null(pc.not_equal(grades.column("failure"), "truncated"), True)
    return pass_rates(grades.filter(whole))


# --- answers ------------------------------------------------------------------------------------------------------


def _arms(study: Study, listed: int) -> tuple[list[list[Any]], list[list[Any]]]:
    """(A row per family of arms, group and benchmark, the rows of cut answers that are listed)."""
    shares, counts, cut_answers = {}, {}, []
    for (arm, group), path in score_tables(study).items():
        columns = ["benchmark", "prompt_id", "sample", "finish_reason", "n_tokens", "call_key"]
        table = tables.read_arrow(path, Score, columns)
        shares[arm, group], counts[arm, group] = _by_item(table)
        cut_answers += [
            [str(arm), group, *(row[key] for key in ("benchmark", "prompt_id", "sample", "n_tokens", "call_key"))]
            for row in _cut(table).slice(0, listed).to_pylist()
        ]
    rows = []
    for group in dict.fromkeys(group for _, group in shares):
        for family in families(arm for arm, of in shares if of == group and isinstance(arm, Arm)):
            base = shares.get((family[0].base, group))
            mean = sum(shares[arm, group] for arm in family) / len(family)
            for benchmark, its in mean.groupby(level="benchmark"):
                row = [family[0].family, group, str(benchmark)]
                answers = sum(int(counts[arm, group][benchmark]) for arm in family)
                against: list[Any] = [None, None]
                if base is not None:
                    of_base = base[base.index.isin(its.index)]
                    against = [float(of_base.mean()), mean_interval((its - of_base).dropna().tolist())]
                rows.append([*row, answers, float(its.mean()), *against])
    return rows, cut_answers


def _by_item(table: "pa.Table") -> "tuple[pd.Series[float], pd.Series[int]]":
    """(The share of each item's answers that were cut, by benchmark and prompt_id; answers by benchmark)."""
    frame = table.select(["benchmark", "prompt_id", "finish_reason"]).to_pandas()
    cut = (frame["finish_reason"] == CUT).astype(float)
    return cut.groupby([frame["benchmark"], frame["prompt_id"]]).mean(), frame["benchmark"].value_counts()


def _conclusion(shares: dict[str, float], over: Sequence[str], limit: float, name: str) -> str:
    if not shares:
        return "No traces and no answers are there yet: there is nothing to conclude."
    most = max(shares, key=lambda place: shares[place])
    if over:
        return (
            f"{len(over)} of {len(shares)} are cut more often than {limit:.1%} ({name}); the most are {most}: "
            f"{percent(shares[most])}%. The pairs that stayed are no fair sample of the prompts, and a gain may be one of "
            "shorter answers: raise max_tokens and ask anew. It does not follow that the cut texts are wrong."
        )
    where = f"the most are {most}: {percent(shares[most])}%" if shares[most] else "nothing is cut at all"
    return (
        f"No generator's traces and no arm's answers are cut more often than {limit:.1%} ({name}); {where}. It does not "
        "follow that lengths play no part: `prefdelta audit length` says so."
    )
