"""The traces of a generator, page by page of prompts, with their grades, scores and the judge's replies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.browsing.prompts import NumberedPrompts
from prefdelta.browsing.scripts import Scripts
from prefdelta.core.asking.reasoning_marks import CLOSE, OPEN
from prefdelta.reading.votes import ReadVote, votes_in
from prefdelta.records.call import Call
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.trace import Trace
from prefdelta.store.record import Record

NOT_RECORDED = "not_recorded"
_Judged = tuple[Judgement, list[ReadVote]]


@dataclass(frozen=True, slots=True)
class JudgedForm:
    """One form's judgements of a generator's traces, and the record's partition of the judge's replies."""

    judgements: Path
    calls: Path


@dataclass(frozen=True, slots=True)
class GeneratorTables:
    """The tables of one generator."""

    traces: Path
    grades: Path
    forms: Sequence[JudgedForm]


def write_traces(scripts: Scripts, index: int, files: GeneratorTables, prompts: NumberedPrompts) -> int:
    """Write `traces/<index>/<page>`. Returns how many of the judge's replies are not recorded."""
    lost = 0
    streams = zip(
        prompts.stretches(files.traces, Trace),
        prompts.stretches(files.grades, Grade),
        *(_judged(form, prompts) for form in files.forms),
        strict=True,
    )
    for stretch, (traces, grades, *judged) in enumerate(streams):
        entries = []
        for place, its in enumerate(traces):
            by_sample = {grade.sample: grade for grade in grades[place]}
            votes = [one for form in judged for one in form[place]]
            entries.append([_entry(trace, by_sample.get(trace.sample), votes) for trace in its])
        lost += sum(_lost(entry) for its in entries for entry in its)
        for page, shown in prompts.pages(entries, stretch * prompts.stretch):
            scripts.write(f"traces/{index}/{page}", shown)
    return lost


def _judged(form: JudgedForm, prompts: NumberedPrompts) -> Iterator[list[list[_Judged]]]:
    """Each judgement with its votes, by prompt, for some pages of prompts at a time."""
    record = Record(form.calls, Call, only_look=True)
    for stretch in prompts.stretches(form.judgements, Judgement):
        votes = votes_in(record, [row for rows in stretch for row in rows])
        yield [[next(votes) for _ in rows] for rows in stretch]


def _entry(trace: Trace, grade: Grade | None, judged: Sequence[_Judged]) -> dict[str, Any]:
    replies: dict[str, int] = {}  # key of a call -> its place
    shown: list[dict[str, Any]] = []
    judgements = {}
    for row, votes in judged:
        if row.sample != trace.sample:
            continue
        for vote in votes:
            if vote.call_key not in replies:
                replies[vote.call_key] = len(shown)
                shown.append(_reply(vote))
        judgements[row.dimension] = {
            "score": None if row.score is None else float(row.score),
            "failure": row.failure,
            "attempts": row.attempts,
            "votes": [
                {
                    "score": None if vote.scores is None else vote.scores[row.dimension],
                    "failure": vote.failure,
                    "attempt": vote.attempt,
                    "key": vote.call_key,
                    "reply": replies[vote.call_key],
                }
                for vote in votes
            ],
        }
    return {
        "sample": trace.sample,
        "text": trace.text,
        "finish_reason": trace.finish_reason,
        "tokens": trace.n_tokens,
        "seed": str(trace.seed),
        "failure": trace.failure,
        "call_key": trace.call_key,
        "extracted": grade.extracted if grade else None,
        "correct": grade.correct if grade else None,
        "grade_failure": grade.failure if grade else None,
        "judgements": judgements,
        "replies": shown,
    }


def _reply(vote: ReadVote) -> dict[str, str | None]:
    """What a judge said. Its reasoning stands apart, so it needs no marks."""
    reasoning = vote.reasoning and vote.reasoning.strip().removeprefix(OPEN).removesuffix(CLOSE).strip()
    return {"reasoning": reasoning, "reply": vote.reply and vote.reply.strip(), "judge": vote.judge}


def _lost(entry: dict[str, Any]) -> int:
    """How many replies of an entry are not recorded."""
    votes = (vote for judgement in entry["judgements"].values() for vote in judgement["votes"])
    return len({vote["key"] for vote in votes if vote["failure"] == NOT_RECORDED})
