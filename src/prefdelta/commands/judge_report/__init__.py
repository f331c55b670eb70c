"""How the judges judged: scores, ties, agreement, length, cost, and the replies that are no verdict.

Of each form and dimension: how many traces were judged and why others were not; the shares of the scores 1 to 5 of each
generator; of each pairing's deltas the share that is 0, and the rank correlation with length; agreement between the
votes on a trace, with other forms and judges (and the noise that this shows), with correctness, and with people; tokens
and dollars; the models that answered; and the three most frequent failures with examples of the replies. The numbers
are the report's own, of the tables as they are now. Asks no model. Read-only.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefdelta.commands.audit.finding import interval
from prefdelta.commands.audit.report_inputs import ReportInputs
from prefdelta.commands.judge_report.judged import (
    JudgedDimension,
    ScoreShares,
    form_jobs,
    judged_dimensions,
    score_shares,
    vote_agreements,
)
from prefdelta.commands.judge_report.replies import SHOWN_KINDS, FailureKind, FormReplies, read_replies
from prefdelta.commands.output import (
    Column,
    add_formats,
    print_csv,
    print_facts,
    print_heading,
    print_json,
    print_line,
    print_quoted,
    print_table,
)
from prefdelta.commands.planning.dollars import account
from prefdelta.commands.study_options import add_configfile, open_study
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import Estimate
from prefdelta.reporting import formats
from prefdelta.reporting.judging.people import PeopleLine, people_lines
from prefdelta.reporting.judging.reliability import DeltaReliability, Validity, judge_reliability
from prefdelta.reporting.numbers.agreement import AgreementLine, agreements
from prefdelta.study.study import Study

TABLES = ("judged", "scores", "deltas", "agreement", "votes", "judges", "correctness", "people", "replies")


@dataclass(frozen=True, slots=True)
class DeltaShares:
    """The deltas of one pairing and dimension, in draw 0 of the traces."""

    pairing: str
    dimension: str
    mean: Estimate  # score points
    ties: Estimate  # share of deltas that are 0
    with_length: Estimate  # rank correlation with the difference in length


@dataclass(frozen=True, slots=True)
class JudgeReport:
    study: str
    spent: float | None  # USD so far, of the whole study; None: no prices
    limit_usd: float | None
    judged: Sequence[JudgedDimension]
    scores: Sequence[ScoreShares]
    deltas: Sequence[DeltaShares]
    agreement: Sequence[AgreementLine]  # with other forms, and with other judges
    votes: Sequence[AgreementLine]  # of the first two votes on a trace
    judges: Sequence[DeltaReliability]  # deltas by the study's judge and by another judging
    correctness: Sequence[Validity]
    people: Sequence[PeopleLine]
    replies: Sequence[FormReplies]
    failures: Sequence[FailureKind]


def define(parser: argparse.ArgumentParser) -> None:
    add_configfile(parser)
    add_formats(parser, csv=True)
    parser.add_argument("--table", choices=TABLES, help="print this table alone (default: all; with --csv, judged)")
    parser.add_argument(
        "--examples",
        type=int,
        default=1,
        metavar="N",
        help=f"show N replies of each of the {SHOWN_KINDS} most frequent failures (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> None:
    report = make_report(open_study(arguments.configfile), arguments.examples)
    if arguments.json:
        print_json(report)
    elif arguments.csv:
        key = arguments.table or TABLES[0]
        rows = getattr(report, key)
        print_csv(_TABLES[key][0], rows)
    else:
        _print(report, arguments.table)


def make_report(study: Study, examples: int) -> JudgeReport:
    """Raises StudyError if nothing has been judged yet."""
    jobs, inputs = form_jobs(study), ReportInputs(study)
    if not jobs:
        raise StudyError(
            f"{study.results}/judge: nothing has been judged yet. `prefdelta preview` shows what the judge would be "
            "asked, and its replies to some rows."
        )
    settings, bootstrap, pairings = inputs.settings, inputs.bootstrap, inputs.pairings
    forms = settings.forms or study.config.judge.forms
    agreement = agreements(
        inputs.paths("judgements"),
        inputs.paths("compared"),
        settings.study,
        forms,
        settings.compared,
        bootstrap,
        settings.same_judge,
    )
    reliability = judge_reliability(pairings, settings.dimensions, ())
    people = people_lines(
        inputs.paths("annotations"),
        inputs.paths("sheets"),
        inputs.paths("pairs"),
        pairings,
        settings.people.versions if settings.people else {},
        settings.people.components if settings.people else {},
        bootstrap,
    )
    replies, failures = read_replies(jobs, examples)
    spent = account(study)
    return JudgeReport(
        study=settings.study,
        spent=spent.spent if spent else None,
        limit_usd=spent.limit if spent else None,
        judged=judged_dimensions(jobs),
        scores=score_shares(jobs),
        deltas=[
            DeltaShares(str(line.pairing), line.dimension, line.mean, line.ties, line.with_length)
            for line in pairings.lines()
        ],
        agreement=agreement,
        votes=vote_agreements(jobs, bootstrap),
        judges=reliability.deltas,
        correctness=reliability.validity,
        people=people,
        replies=replies,
        failures=failures,
    )


# --- for people -----------------------------------------------------------------------------------------------------


def _percent(estimate: Estimate) -> str:
    return interval(estimate, formats.percent)


def _signed(estimate: Estimate) -> str:
    return interval(estimate, formats.signed)


def _noise(line: AgreementLine) -> str:
    if line.noise is None:
        return formats.NONE
    first, second = _percent(line.noise.first), _percent(line.noise.second)
    return first if first == second else f"{first}, {second}"


def _share(score: str) -> Column[ScoreShares]:
    return Column(score, lambda row: formats.percent(row.shares[score]), right=True)


_AGREEMENT: Sequence[Column[AgreementLine]] = (
    Column("dimension", lambda row: row.dimension),
    Column("asked", lambda row: row.main),
    Column("and", lambda row: row.other),
    Column("traces", lambda row: formats.count(row.traces), right=True),
    Column("without score", lambda row: formats.count(row.unscored), right=True),
    Column("equal %", lambda row: _percent(row.exact), right=True),
    Column("within one %", lambda row: _percent(row.within_one), right=True),
    Column("difference", lambda row: _signed(row.difference), right=True),
    Column("kappa", lambda row: _signed(row.kappa), right=True),
    Column("noise %", _noise, right=True),
)
# Key -> type of the rows, heading, columns.
_TABLES: dict[str, tuple[type[Any], str, Sequence[Column[Any]]]] = {
    "judged": (
        JudgedDimension,
        "judged traces, of all generators and draws",
        (
            Column("form", lambda row: row.form),
            Column("dimension", lambda row: row.dimension),
            Column("traces", lambda row: formats.count(row.traces), right=True),
            Column("scored", lambda row: formats.count(row.scored), right=True),
            Column("unusable", lambda row: formats.count(row.not_asked), right=True),
            Column("asked again", lambda row: formats.count(row.asked_again), right=True),
            Column("failed", lambda row: formats.reasons(row.failures)),
        ),
    ),
    "scores": (
        ScoreShares,
        "scores, in % of the traces",
        (
            Column("form", lambda row: row.form),
            Column("dimension", lambda row: row.dimension),
            Column("generator", lambda row: row.generator),
            Column("traces", lambda row: formats.count(row.n), right=True),
            Column("mean", lambda row: formats.decimal(row.mean, 2), right=True),
            *map(_share, ("1", "2", "3", "4", "5")),
        ),
    ),
    "deltas": (
        DeltaShares,
        "deltas: how many are 0, and rank correlation with length",
        (
            Column("pairing", lambda row: row.pairing),
            Column("dimension", lambda row: row.dimension),
            Column("pairs", lambda row: formats.count(row.mean.n), right=True),
            Column("mean", lambda row: _signed(row.mean), right=True),
            Column("ties %", lambda row: _percent(row.ties), right=True),
            Column("with length", lambda row: _signed(row.with_length), right=True),
        ),
    ),
    "agreement": (AgreementLine, "agreement with other forms and judges, trace by trace", _AGREEMENT),
    "votes": (AgreementLine, "agreement of the first two votes on a trace", _AGREEMENT),
    "judges": (
        DeltaReliability,
        "deltas by the study's judge and by another judging",
        (
            Column("pairing", lambda row: str(row.pairing)),
            Column("dimension", lambda row: row.dimension),
            Column("judge", lambda row: row.judge),
            Column("pairs", lambda row: formats.count(row.correlation.n), right=True),
            Column("correlation", lambda row: _signed(row.correlation), right=True),
            Column("reliability", lambda row: _signed(row.slope), right=True),
        ),
    ),
    "correctness": (
        Validity,
        "deltas and correctness: correlation of a delta with the difference in correctness",
        (
            Column("pairing", lambda row: str(row.pairing)),
            Column("dimension", lambda row: row.dimension),
            Column("correlation", lambda row: _signed(row.plain), right=True),
            Column("given length", lambda row: _signed(row.given_length), right=True),
        ),
    ),
    "people": (
        PeopleLine,
        "agreement with people, by sheet",
        (
            Column("sheet", lambda row: row.sheet),
            Column("pairing", lambda row: str(row.pairing)),
            Column("dimension", lambda row: row.dimension),
            Column("pairs", lambda row: f"{row.scored:,} of {row.drawn:,}", right=True),
            Column("kappa", lambda row: _signed(row.with_judge.kappa), right=True),
            Column("equal %", lambda row: _percent(row.with_judge.exact), right=True),
            Column("kappa among people", lambda row: _signed(row.among.kappa), right=True),
            Column("edited since", lambda row: formats.listed(row.edited)),
        ),
    ),
    "replies": (
        FormReplies,
        "replies, with those to repeated questions",
        (
            Column("form", lambda row: row.form),
            Column("model asked", lambda row: row.asked),
            Column("models that answered", lambda row: formats.reasons(row.models)),
            Column("replies", lambda row: formats.count(row.replies), right=True),
            Column("not recorded", lambda row: formats.count(row.not_recorded), right=True),
            Column("prompt tokens", lambda row: formats.count(row.prompt_tokens), right=True),
            Column("cached", lambda row: formats.count(row.cached_tokens), right=True),
            Column("reply tokens", lambda row: formats.count(row.reply_tokens), right=True),
            Column("reasoning", lambda row: formats.count(row.reasoning_tokens), right=True),
            Column("USD", lambda row: formats.decimal(row.usd), right=True),
        ),
    ),
}


def _print(report: JudgeReport, only: str | None) -> None:
    facts = {"study": report.study}
    if report.spent is not None:
        limit = "no limit" if report.limit_usd is None else f"limit_usd {report.limit_usd:,.2f}"
        facts["spent"] = f"{report.spent:,.4f} USD by the whole study; {limit}"
    print_facts(facts)
    for key, (_, heading, columns) in _TABLES.items():
        rows = getattr(report, key)
        if rows and only in (None, key):
            print_heading(heading)
            print_table(columns, rows)
    if only is None:
        _print_failures(report.failures)


def _print_failures(failures: Sequence[FailureKind]) -> None:
    print_heading("replies that are no verdict" if failures else "every reply is a verdict")
    for kind in failures:
        print_line(f"{kind.failure}: {kind.replies:,} of {kind.of:,} replies")
        for example in kind.examples:
            place = (
                f"{example.form}, traces of {example.generator}, call {example.call_key}, attempt {example.attempt + 1}"
            )
            print_line(f"  {place}")
            for name, text in (("reasoning", example.reasoning), ("reply", example.reply), ("server", example.detail)):
                if text:
                    print_line(f"  {name}:")
                    print_quoted(text)
