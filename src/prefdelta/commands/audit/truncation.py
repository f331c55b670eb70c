"""Which texts were cut at the token limit, and what that does to pairs and accuracies.

For each generator and draw the share of traces that were cut; for each pairing how many pairs of its pool were dropped
because a side was cut, how often the other side is right, and how hard their prompts are (share of all generators'
traces that are right), beside the pairs that stayed; for each arm and benchmark the share of answers that were cut,
against its base. A cut trace is neither judged nor trained on; a cut answer counts as wrong. --list names cut traces
and answers by their ids. Exit code 1 if a generator or an arm is cut more often than --limit. Asks no model. Read-only.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefdelta.commands.audit.finding import Finding, FoundTable, interval
from prefdelta.commands.audit.length import mean_by_item, score_tables
from prefdelta.commands.audit.report_inputs import present
from prefdelta.commands.output import Column
from prefdelta.core.arms import Arm, Pairing
from prefdelta.core.pairs.matching import pass_rates
from prefdelta.core.statistics import Estimate, mean_interval, wilson_interval
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair
from prefdelta.records.score import Score
from prefdelta.records.trace import Trace
from prefdelta.reporting import formats
from prefdelta.reporting.arms import families
from prefdelta.stages.generate import GenerateSettings
from prefdelta.store import tables
from prefdelta.study.study import Study

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

CUT = "length"  # the finish reason of a text that reached its token limit
_SIDES = ("chosen", "rejected")
TABLES = ("generators", "pairings", "arms", "traces", "answers")


@dataclass(frozen=True, slots=True)
class CutGenerator:
    generator: str
    traces: int
    cut: int
    share: Estimate
    max_tokens: int


@dataclass(frozen=True, slots=True)
class CutPairing:
    """The pool's pairs that were dropped because a side was cut, beside those that stayed."""

    pairing: str
    prompts: int
    chosen_cut: int
    rejected_cut: int  # but not chosen
    dropped: int
    other_right: Estimate  # share of right traces on the other side of dropped pairs
    kept_right: Estimate  # share of right traces on both sides of kept pairs
    pass_rate_dropped: Estimate  # of their prompts: share of all generators' whole traces that are right
    pass_rate_kept: Estimate


@dataclass(frozen=True, slots=True)
class CutArms:
    family: str
    group: str
    benchmark: str
    answers: int
    share: float
    base: float | None  # share of the base's answers
    difference: Estimate | None  # arms minus base, over items


@dataclass(frozen=True, slots=True)
class CutTrace:
    generator: str
    prompt_id: str
    sample: int
    n_tokens: int | None
    call_key: str


@dataclass(frozen=True, slots=True)
class CutAnswer:
    arm: str
    group: str
    benchmark: str
    prompt_id: str
    sample: int
    n_tokens: int | None
    call_key: str


_GENERATORS: Sequence[Column[CutGenerator]] = (
    Column("generator", lambda row: row.generator),
    Column("traces", lambda row: formats.count(row.traces), right=True),
    Column("cut", lambda row: formats.count(row.cut), right=True),
    Column("cut %", lambda row: interval(row.share, formats.percent), right=True),
    Column("max_tokens", lambda row: formats.count(row.max_tokens), right=True),
)
_PAIRINGS: Sequence[Column[CutPairing]] = (
    Column("pairing", lambda row: row.pairing),
    Column("prompts", lambda row: formats.count(row.prompts), right=True),
    Column("chosen cut", lambda row: formats.count(row.chosen_cut), right=True),
    Column("rejected cut", lambda row: formats.count(row.rejected_cut), right=True),
    Column("other side right %", lambda row: interval(row.other_right, formats.percent), right=True),
    Column("kept, right %", lambda row: interval(row.kept_right, formats.percent), right=True),
    Column("pass rate, dropped %", lambda row: interval(row.pass_rate_dropped, formats.percent), right=True),
    Column("kept %", lambda row: interval(row.pass_rate_kept, formats.percent), right=True),
)
_ARMS: Sequence[Column[CutArms]] = (
    Column("arms", lambda row: row.family),
    Column("group", lambda row: row.group),
    Column("benchmark", lambda row: row.benchmark),
    Column("answers", lambda row: formats.count(row.answers), right=True),
    Column("cut %", lambda row: formats.percent(row.share), right=True),
    Column("base cut %", lambda row: formats.percent(row.base), right=True),
    Column("arms − base, points", lambda row: interval(row.difference, formats.points), right=True),
)
_TRACES: Sequence[Column[CutTrace]] = (
    Column("generator", lambda row: row.generator),
    Column("prompt", lambda row: row.prompt_id),
    Column("sample", lambda row: str(row.sample), right=True),
    Column("tokens", lambda row: formats.count(row.n_tokens), right=True),
    Column("call", lambda row: row.call_key),
)
_ANSWERS: Sequence[Column[CutAnswer]] = (
    Column("arm", lambda row: row.arm),
    Column("group", lambda row: row.group),
    Column("benchmark", lambda row: row.benchmark),
    Column("item", lambda row: row.prompt_id),
    Column("sample", lambda row: str(row.sample), right=True),
    Column("tokens", lambda row: formats.count(row.n_tokens), right=True),
    Column("call", lambda row: row.call_key),
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
    dropping, cutting = [row for row in pairings if row.dropped], [row for row in arms if row.share or row.base]
    lost = f"pools that lost pairs because a side was cut: {len(dropping)} of {len(pairings)}"
    cut = f"families of arms and benchmarks with cut answers, their own or their base's: {len(cutting)} of {len(arms)}"
    found: list[FoundTable[Any]] = [
        FoundTable("generators", "traces that were cut", CutGenerator, _GENERATORS, generators),
        FoundTable("pairings", lost, CutPairing, _PAIRINGS, dropping),
        FoundTable("arms", cut, CutArms, _ARMS, cutting),
    ]
    if first := arguments.list:
        title = f"cut traces: the first {first} of each generator"
        found.append(FoundTable("traces", title, CutTrace, _TRACES, cut_traces))
        title = f"cut answers: the first {first} of each arm and group"
        found.append(FoundTable("answers", title, CutAnswer, _ANSWERS, cut_answers))
    shares = {f"traces of {row.generator}": row.share.value or 0.0 for row in generators if row.traces}
    shares |= {f"answers of {row.family}, {row.group}, to {row.benchmark}": row.share for row in arms}
    name = "generate.max_failure_share" if arguments.limit is None else "--limit"
    over = [place for place, share in shares.items() if share > limit]
    conclusion = _conclusion(shares, over, limit, name)
    return Finding("truncation", study.config.study, found, conclusion, bool(over), {name: limit})


# --- traces and pairs ---------------------------------------------------------------------------------------------


def _generators(study: Study, listed: int) -> tuple[list[CutGenerator], list[CutTrace]]:
    """(A row per generator and draw, the rows of cut traces that are listed)."""
    rows, cut_traces = [], []
    for job in study.jobs("generate"):
        if job.kind != "generate":
            continue
        name = job.axes["generator"]
        for path in present(job.outputs):
            table = tables.read_arrow(path, Trace, ["prompt_id", "sample", "finish_reason", "n_tokens", "call_key"])
            cut = _cut(table)
            share, settings = wilson_interval(len(cut), len(table)), job.typed_settings
            assert isinstance(settings, GenerateSettings)
            rows.append(CutGenerator(name, len(table), len(cut), share, settings.sampling.max_tokens))
            columns = ["prompt_id", "sample", "n_tokens", "call_key"]
            cut_traces += [CutTrace(name, **row) for row in cut.select(columns).slice(0, listed).to_pylist()]
    return rows, cut_traces


def _cut(table: "pa.Table") -> "pa.Table":
    import pyarrow.compute as pc

    return table.filter(pc.fill_null(pc.equal(table.column("finish_reason"), CUT), False))


def _pairings(study: Study) -> list[CutPairing]:
    """A row per pairing, in all draws."""
    rates = _difficulty(study)
    rows = []
    for job in study.jobs("pair"):
        for path in present(job.outputs):
            pool = [pair for pair in tables.read(path, Pair) if pair.pool]
            dropped = [pair for pair in pool if _side_cut(pair)]
            kept = [pair for pair in pool if pair.eligible]
            sides = Counter(_side_cut(pair) for pair in dropped)
            others = (
                getattr(pair, f"{side}_correct") for pair in dropped for side in _SIDES if side != _side_cut(pair)
            )
            rows.append(
                CutPairing(
                    pairing=str(Pairing(job.axes["chosen"], job.axes["rejected"])),
                    prompts=len(pool),
                    chosen_cut=sides["chosen"],
                    rejected_cut=sides["rejected"],
                    dropped=len(dropped),
                    other_right=_right(others),
                    kept_right=_right(getattr(pair, f"{side}_correct") for pair in kept for side in _SIDES),
                    pass_rate_dropped=_pass_rate(rates, dropped),
                    pass_rate_kept=_pass_rate(rates, kept),
                )
            )
    return rows


def _side_cut(pair: Pair) -> str | None:
    """The side whose cut trace made a pair not eligible."""
    side, _, reason = (pair.reason or "").partition("_")
    return side if reason == "truncated" else None


def _right(correct: Iterator[bool | None]) -> Estimate:
    known = [one for one in correct if one is not None]
    return wilson_interval(sum(known), len(known))


def _pass_rate(rates: Mapping[str, float], pairs: Sequence[Pair]) -> Estimate:
    return mean_interval([rates[pair.prompt_id] for pair in pairs if pair.prompt_id in rates])


def _difficulty(study: Study) -> dict[str, float]:
    """prompt_id -> share of all generators' traces that are right. Cut ones do not count: they make no prompt hard."""
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


def _arms(study: Study, listed: int) -> tuple[list[CutArms], list[CutAnswer]]:
    """(A row per family of arms, group and benchmark, the rows of cut answers that are listed)."""
    shares, counts, cut_answers = {}, {}, []
    for (arm, group), path in score_tables(study).items():
        columns = ["benchmark", "prompt_id", "sample", "n_tokens", "call_key"]
        table = tables.read_arrow(path, Score, [*columns, "finish_reason"])
        shares[arm, group], counts[arm, group] = _by_item(table)
        cut = _cut(table).select(columns).slice(0, listed)
        cut_answers += [CutAnswer(str(arm), group, **row) for row in cut.to_pylist()]
    rows = []
    for group in dict.fromkeys(group for _, group in shares):
        for family in families(arm for arm, of in shares if of == group and isinstance(arm, Arm)):
            base = shares.get((family[0].base, group))
            mean = mean_by_item(shares[arm, group] for arm in family)
            for benchmark, its in mean.groupby(level="benchmark"):
                answers = sum(int(counts[arm, group][benchmark]) for arm in family)
                of_base, difference = None, None
                if base is not None:
                    the_same = base[base.index.isin(its.index)]
                    of_base, difference = float(the_same.mean()), mean_interval((its - the_same).dropna().tolist())
                row = (family[0].family, group, str(benchmark), answers, float(its.mean()), of_base, difference)
                rows.append(CutArms(*row))
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
            f"{formats.percent(shares[most])}%. The pairs that stayed are no fair sample of the prompts, and a gain "
            "may be one of shorter answers: raise max_tokens and ask anew. It does not follow that cut texts are wrong."
        )
    where = f"the most are {most}: {formats.percent(shares[most])}%" if shares[most] else "nothing is cut at all"
    return (
        f"No generator's traces and no arm's answers are cut more often than {limit:.1%} ({name}); {where}. It "
        "does not follow that lengths play no part: `prefdelta audit length` says so."
    )
