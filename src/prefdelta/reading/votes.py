"""What a judge replied, vote by vote: the scores of a reply, and the reasoning before them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.asking.reasoning_marks import with_thinking, without_thinking
from prefdelta.core.asking.verdicts import InvalidVerdictError, read_verdict
from prefdelta.records.call import Call
from prefdelta.records.judgement import Judgement
from prefdelta.store.record import Record


@dataclass(frozen=True, slots=True)
class ReadVote:
    """One vote: the judge's last reply to one question about a trace."""

    call_key: str
    scores: Mapping[str, int] | None  # dimension -> 1 (worst) to 5 (best); None: the reply is not a verdict
    failure: str | None  # why it is none: "not_json", ..., a failure of the call, or "not_recorded"
    reasoning: str | None  # what the judge wrote before the verdict; None: nothing, or its server keeps it to itself
    reply: str | None  # the rest of the reply, as it came
    judge: str | None  # as the server named itself
    attempt: int  # from 0


def read_votes(partition: Path, rows: Iterable[Judgement]) -> Iterator[tuple[Judgement, list[ReadVote]]]:
    """Each judgement with its votes, in order. Read-only: it may run beside a run.

    partition: `store.calls.judge_calls`. rows: judgements of one form and one generator, with all dimensions of the
    form. A reply that is not recorded here (a study whose record was left behind) is a vote with the failure
    "not_recorded".
    """
    return votes_in(Record(partition, Call, only_look=True), rows)


def votes_in(record: Record[Call], rows: Iterable[Judgement]) -> Iterator[tuple[Judgement, list[ReadVote]]]:
    """`read_votes` from a partition that is open: it may be asked again for further rows."""
    judged = list(rows)
    calls = record.fetch({key for row in judged for key in row.call_keys})
    asked: dict[tuple[str, ...], set[str]] = {}
    for row in judged:
        asked.setdefault(tuple(row.call_keys), set()).add(row.dimension)
    for row in judged:
        dimensions = sorted(asked[tuple(row.call_keys)])
        yield row, [_read(key, calls.get(key), dimensions) for key in row.call_keys]


def _read(key: str, call: Call | None, dimensions: Sequence[str]) -> ReadVote:
    if call is None:
        return ReadVote(key, None, "not_recorded", None, None, None, 0)
    whole = with_thinking(call.reasoning, call.text, truncated=call.finish_reason == "length")
    reply = None if whole is None else without_thinking(whole)
    reasoning = None if whole is None else whole[: len(whole) - len(reply or "")]
    scores, failure = None, call.failure
    if failure is None:
        try:
            scores = read_verdict(call.text, call.finish_reason, dimensions)
        except InvalidVerdictError as error:
            failure = str(error)
    return ReadVote(key, scores, failure, reasoning or None, reply, call.model, call.attempt)
