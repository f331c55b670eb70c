"""One pair, whole: the problem, both traces, their grades, and what the judge said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from urllib.parse import quote

from prefdelta.core.arms import Pairing
from prefdelta.reading.study_tables import StudyTables
from prefdelta.reading.votes import ReadVote, read_votes
from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import calls, tables

COMPOSITE = "mean"  # the pair is chosen by this dimension if the study has it, or else by its first one
SHOWN = 1800  # characters of a text that are shown
_HEAD = 2 / 3  # share of them from its beginning; the rest is from its end


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a model, or its beginning and its end."""

    head: str
    left_out: int  # characters between them
    tail: str


@dataclass(frozen=True, slots=True)
class JudgeReply:
    dimensions: Sequence[str]
    vote: int  # from 1
    votes: int
    reasoning: Text | None  # what the judge wrote before its verdict; None: nothing, or it is not told
    reply: Text | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class ExampleSide:
    name: str  # chosen, rejected
    trace: Trace
    text: Text
    grade: Grade
    scores: Mapping[str, float | None]  # dimension -> 1 to 5; None: not judged
    replies: Sequence[JudgeReply]


@dataclass(frozen=True, slots=True)
class Example:
    pairing: Pairing
    pair_id: str
    dimension: str  # by which it was chosen
    among: int  # pairs of moderate length whose chosen trace alone is right
    problem: Text
    answers: Sequence[str]
    sides: Sequence[ExampleSide]  # chosen, rejected
    deltas: Mapping[str, float]  # dimension -> chosen minus rejected

    @property
    def link(self) -> str:
        """The pair in the pair browser, relative to the page."""
        return f"../browse/index.html#pair={quote(str(self.pairing))}/{quote(self.pair_id)}"


def find_example(
    files: Sequence[Path], study: str, pairing: Pairing, dimensions: Sequence[str], record: Path
) -> Example | None:
    """The pair of a pairing with the largest delta, of those of moderate length whose chosen trace alone is right.

    Moderate: the longer side is between the quartiles of such pairs. Of equal deltas, the pair with the shorter traces,
    then the smaller id is taken. None if there is no such pair. files: the study's outputs that are read here, others
    are ignored. dimensions: in order, with composites.
    """
    outputs = StudyTables(files, study)
    places = {place.axes["dimension"] for place in outputs.places("delta", **pairing.axes)}
    judged = [name for name in dimensions if name in places]
    if not judged:
        return None
    dimension = COMPOSITE if COMPOSITE in judged else judged[0]
    deltas = {row.pair_id: row for row in outputs.rows("delta", Delta, None, dimension=dimension, **pairing.axes)}
    pairs = [
        pair
        for pair in outputs.rows("pair", Pair, None, **pairing.axes)
        if pair.pool and pair.eligible and pair.cell == "right-wrong" and _delta(deltas, pair) is not None
    ]
    moderate = _of_moderate_length(pairs)
    if not moderate:
        return None
    best = min(moderate, key=lambda pair: (-(_delta(deltas, pair) or 0.0), _length(pair), pair.pair_id))
    (prompt,) = outputs.rows("prompts", Prompt, {"prompt_id": best.prompt_id}, source="train")
    sides = [
        _side(outputs, record, name, generator, best.prompt_id, sample, judged)
        for name, generator, sample in zip(
            ("chosen", "rejected"), (pairing.chosen, pairing.rejected), _samples(best), strict=True
        )
    ]
    by_dimension = {
        name: row.delta
        for name in judged
        for row in outputs.rows("delta", Delta, {"pair_id": best.pair_id}, dimension=name, **pairing.axes)
        if row.delta is not None
    }
    return Example(
        pairing=pairing,
        pair_id=best.pair_id,
        dimension=dimension,
        among=len(moderate),
        problem=shortened(prompt.text),
        answers=prompt.answers,
        sides=sides,
        deltas=by_dimension,
    )


def shortened(text: str, most: int = SHOWN) -> Text:
    """A text, without its middle if it is longer than `most` characters."""
    text = text.strip()
    if len(text) <= most:
        return Text(text, 0, "")
    head = int(most * _HEAD)
    return Text(text[:head], len(text) - most, text[len(text) - (most - head) :])


def _delta(deltas: Mapping[str, Delta], pair: Pair) -> float | None:
    return row.delta if (row := deltas.get(pair.pair_id)) else None


def _samples(pair: Pair) -> tuple[int, int]:
    assert pair.chosen_sample is not None
    assert pair.rejected_sample is not None  # it is eligible
    return pair.chosen_sample, pair.rejected_sample


def _length(pair: Pair) -> int:
    """Of the longer side: characters, or tokens where they are not counted."""
    characters = max(pair.chosen_characters or 0, pair.rejected_characters or 0)
    return characters or max(pair.chosen_tokens or 0, pair.rejected_tokens or 0)


def _of_moderate_length(pairs: Sequence[Pair]) -> list[Pair]:
    if len(pairs) < 2:
        return list(pairs)
    low, _, high = quantiles(map(_length, pairs), n=4, method="inclusive")
    return [pair for pair in pairs if low <= _length(pair) <= high]


def _side(
    outputs: StudyTables,
    record: Path,
    name: str,
    generator: str,
    prompt_id: str,
    sample: int,
    dimensions: Sequence[str],
) -> ExampleSide:
    trace = _trace(outputs.path("generate", generator=generator), prompt_id, sample)
    (grade,) = outputs.rows("grade", Grade, {"prompt_id": prompt_id, "sample": sample}, generator=generator)
    scores: dict[str, float | None] = {}
    replies = []
    for place in outputs.places("judge", generator=generator):
        rows = outputs.rows("judge", Judgement, {"prompt_id": prompt_id, "sample": sample}, **place.axes)
        scores |= {row.dimension: None if row.score is None else float(row.score) for row in rows}
        read = list(read_votes(calls.judge_calls(record, place.axes["form"], generator), rows))
        replies += [
            _reply([row.dimension for row in rows], number, votes)
            for _, votes in read[:1]  # all dimensions of a form have the same votes
            for number in range(1, len(votes) + 1)
        ]
    return ExampleSide(
        name=name,
        trace=trace,
        text=shortened(trace.text or ""),
        grade=grade,
        scores={dimension: scores[dimension] for dimension in dimensions if dimension in scores},
        replies=replies,
    )


def _reply(dimensions: Sequence[str], number: int, votes: Sequence[ReadVote]) -> JudgeReply:
    vote = votes[number - 1]
    return JudgeReply(
        dimensions=dimensions,
        vote=number,
        votes=len(votes),
        reasoning=shortened(vote.reasoning) if vote.reasoning else None,
        reply=shortened(vote.reply) if vote.reply else None,
        failure=vote.failure,
    )


def _trace(path: Path, prompt_id: str, sample: int) -> Trace:
    """One trace. Tables of traces hold gigabytes of text, so it is read by parts."""
    from pyarrow import parquet

    keys = tables.read_arrow(path, Trace, ["prompt_id", "sample"]).to_pylist()  # checks the table, too
    row = keys.index({"prompt_id": prompt_id, "sample": sample})
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(256):
            if row < len(batch):
                (found,) = batch.slice(row, 1).to_pylist()
                return Trace(**found)
            row -= len(batch)
    raise AssertionError(path)
