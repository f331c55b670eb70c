"""The lineage of a pair: all that it was made from, and all that was made from it."""

from dataclasses import dataclass
from typing import Literal

from prefdelta.commands.looking.judged import DimensionScore, judged
from prefdelta.commands.looking.names import TraceName, find_pair, read_prompt, read_trace
from prefdelta.commands.looking.origins import (
    GeneratorOrigin,
    JudgeOrigin,
    PromptOrigin,
    generator_origin,
    prompt_origin,
)
from prefdelta.commands.looking.results import Results
from prefdelta.commands.looking.selected import TakenPair, not_selected_yet, taken
from prefdelta.commands.show.pair import PairDelta, read_deltas, sides_of


@dataclass(frozen=True, slots=True)
class TraceLineage:
    side: Literal["chosen", "rejected"]
    trace: str
    finish_reason: str | None
    n_tokens: int | None
    seed: int
    call_key: str
    made_by: GeneratorOrigin
    judged_by: list[JudgeOrigin]  # by form, of those that asked about it; empty: not judged, or not yet
    scores: list[DimensionScore]


@dataclass(frozen=True, slots=True)
class LineageDocument:
    study: str
    pairing: str
    pair_id: str
    eligible: bool
    reason: str | None
    prompt_id: str
    prompt: PromptOrigin
    traces: list[TraceLineage]  # chosen, then rejected; without a side that has no usable trace
    deltas: list[PairDelta]
    selections: list[TakenPair]  # those that took the pair
    not_selected_yet: list[str]  # selections of the pairing whose tables are not there yet


def read(results: Results, name: str) -> LineageDocument:
    """Raises StudyError if there is no such pair, or several."""
    pairing, pair = find_pair(results, name)
    prompt = read_prompt(results, pair.prompt_id)
    return LineageDocument(
        study=results.name,
        pairing=str(pairing),
        pair_id=pair.pair_id,
        eligible=pair.eligible,
        reason=pair.reason,
        prompt_id=pair.prompt_id,
        prompt=prompt_origin(results, prompt.source),
        traces=[_trace(results, side, trace) for side, trace in sides_of(pairing, pair).items()],
        deltas=read_deltas(results, pairing, pair.pair_id),
        selections=taken(results, pairing, pair.pair_id),
        not_selected_yet=not_selected_yet(results, pairing),
    )


def _trace(results: Results, side: Literal["chosen", "rejected"], name: TraceName) -> TraceLineage:
    trace, judgements = read_trace(results, name), judged(results, name)
    return TraceLineage(
        side=side,
        trace=str(name),
        finish_reason=trace.finish_reason,
        n_tokens=trace.n_tokens,
        seed=trace.seed,
        call_key=trace.call_key,
        made_by=generator_origin(results, name.generator),
        judged_by=[judgement.asked for judgement in judgements if judgement.votes],
        scores=[score for judgement in judgements for score in judgement.scores],
    )
