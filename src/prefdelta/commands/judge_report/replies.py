"""What the judges replied: tokens and dollars, the models that answered, and the replies that are no verdict."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.commands.judge_report.judged import FormJob
from prefdelta.core.asking.costs import ModelPrices, TokenUsage, cost
from prefdelta.engines.openai.account import read_prices
from prefdelta.records.call import Call
from prefdelta.stages.judge import failure_of
from prefdelta.store import tables
from prefdelta.store.record import Record

_COLUMNS = ["key", "question", "model", "n_tokens", "prompt_tokens", "cached_tokens", "reasoning_tokens"]
SHOWN_KINDS = 3


@dataclass(frozen=True, slots=True)
class FormReplies:
    """The replies to one form, over all generators and draws: those behind the tables, with earlier attempts."""

    form: str
    asked: str  # the model's name in the requests
    replies: int
    not_recorded: int  # replies that tables name and the record lacks
    models: Mapping[str, int]  # name in the replies -> replies
    prompt_tokens: int | None  # None: the server did not say
    cached_tokens: int | None
    reply_tokens: int | None  # reasoning included
    reasoning_tokens: int | None
    usd: float | None  # by the prices of today; None: no prices, or the tokens are not known


@dataclass(frozen=True, slots=True)
class FailedReply:
    form: str
    generator: str
    call_key: str
    attempt: int
    model: str | None
    reasoning: str | None
    reply: str | None
    detail: str | None  # what the server said of the failure


@dataclass(frozen=True, slots=True)
class FailureKind:
    failure: str
    replies: int
    of: int  # all replies
    examples: Sequence[FailedReply]


def read_replies(jobs: Sequence[FormJob], examples: int) -> tuple[list[FormReplies], list[FailureKind]]:
    """(Replies by form, the kinds of failures, most frequent first). examples: of each of the first SHOWN_KINDS."""
    by_form: dict[str, list[dict[str, Any]]] = {}
    named, prices = Counter[str](), dict[str, FormJob]()
    failed: dict[str, list[FailedReply]] = {}
    for job in jobs:
        rows = job.rows()
        keys = {key for row in rows for key in row.call_keys}
        replies = _replies(job.calls, keys)
        by_form.setdefault(job.form, []).extend(replies)
        named[job.form] += len(keys)
        prices.setdefault(job.form, job)
        suspected = {str(reply["key"]) for reply in replies} - keys  # earlier attempts
        suspected |= {key for row in rows if row.votes < len(row.call_keys) for key in row.call_keys}
        for failure, reply in _failed(job, suspected):
            failed.setdefault(failure, []).append(reply)
    lines = [_line(form, replies, named[form], prices[form]) for form, replies in by_form.items()]
    total = sum(line.replies for line in lines)
    kinds = sorted(failed, key=lambda kind: (-len(failed[kind]), kind))
    return lines, [
        FailureKind(kind, len(failed[kind]), total, failed[kind][: examples if place < SHOWN_KINDS else 0])
        for place, kind in enumerate(kinds)
    ]


def _replies(partition: Path, keys: set[str]) -> list[dict[str, Any]]:
    """The recorded replies that a table names, with the earlier attempts at the same questions: _COLUMNS of each."""
    rows = {
        str(row["key"]): row
        for segment in sorted(partition.glob("*.parquet"))
        for row in tables.read_arrow(segment, Call, _COLUMNS).to_pylist()
    }
    questions = {row["question"] for key, row in rows.items() if key in keys}
    return [row for row in rows.values() if row["question"] in questions]


def _failed(job: FormJob, keys: set[str]) -> list[tuple[str, FailedReply]]:
    """Those of some replies that are no verdict, each with the kind of failure, by key."""
    if not keys:
        return []
    calls = Record(job.calls, Call, only_look=True).fetch(keys)
    return [
        (
            failure,
            FailedReply(job.form, job.generator, key, call.attempt, call.model, call.reasoning, call.text, call.detail),
        )
        for key, call in sorted(calls.items())
        if (failure := failure_of(job.settings, call)) is not None
    ]


def _line(form: str, replies: Sequence[Mapping[str, Any]], named: int, job: FormJob) -> FormReplies:
    engine = job.settings.engine
    prices = read_prices(Path(engine.prices)).of(engine.model, engine.prices) if engine.prices else None
    return FormReplies(
        form=form,
        asked=engine.model,
        replies=len(replies),
        not_recorded=max(0, named - len(replies)),
        models=dict(Counter(str(row["model"]) for row in replies if row["model"]).most_common()),
        prompt_tokens=_sum(replies, "prompt_tokens"),
        cached_tokens=_sum(replies, "cached_tokens"),
        reply_tokens=_sum(replies, "n_tokens"),
        reasoning_tokens=_sum(replies, "reasoning_tokens"),
        usd=_usd(replies, prices, engine.batch is not None),
    )


def _sum(replies: Sequence[Mapping[str, Any]], column: str) -> int | None:
    known = [row[column] for row in replies if row[column] is not None]
    return sum(known) if known else None


def _usd(replies: Sequence[Mapping[str, Any]], prices: ModelPrices | None, batch: bool) -> float | None:
    if prices is None or any(row["prompt_tokens"] is None or row["n_tokens"] is None for row in replies):
        return None
    return sum(
        cost(prices, TokenUsage(row["prompt_tokens"], row["cached_tokens"] or 0, row["n_tokens"]), batch)
        for row in replies
    )
