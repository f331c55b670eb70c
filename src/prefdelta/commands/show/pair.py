"""A pair: both sides with their scores and the judges' reasons, its deltas, and the arms that train on it.

  prefdelta show pair g3~g1/000c225b --configfile resources/studies/mini.yaml

`prefdelta pairs` finds the pairs with the largest delta, `prefdelta lineage` shows where a pair comes from.
"""

import argparse
from dataclasses import dataclass
from typing import Literal

from prefdelta.commands.looking.judged import FormJudgement, judged, print_judgement
from prefdelta.commands.looking.names import TraceName, find_pair, read_prompt, read_trace
from prefdelta.commands.looking.results import Results
from prefdelta.commands.looking.selected import TakenPair, none_took_it, not_selected_yet, taken
from prefdelta.commands.output import Column, print_facts, print_heading, print_line, print_quoted, print_table
from prefdelta.commands.show.trace import answer_line, read_grade
from prefdelta.core.arms import Pairing
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.reporting import formats


@dataclass(frozen=True, slots=True)
class ShownSide:
    side: Literal["chosen", "rejected"]
    trace: str
    text: str | None
    graded: bool  # whether it is graded yet
    correct: bool | None
    extracted: str | None
    grade_failure: str | None
    n_tokens: int | None
    finish_reason: str | None
    judgements: list[FormJudgement]


@dataclass(frozen=True, slots=True)
class PairDelta:
    """As in the table of deltas, so of scores that are means of votes."""

    dimension: str
    chosen_score: float | None
    rejected_score: float | None
    delta: float | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class PairDocument:
    study: str
    pairing: str
    pair_id: str
    prompt_id: str
    problem: str
    answers: list[str]
    pool: bool
    eligible: bool
    reason: str | None
    cell: str | None
    sides: list[ShownSide]  # chosen, then rejected; without a side that has no usable trace
    deltas: list[PairDelta]
    selections: list[TakenPair]  # those that took the pair
    not_selected_yet: list[str]  # selections of the pairing whose tables are not there yet


def read(results: Results, arguments: argparse.Namespace) -> PairDocument:
    pairing, pair = find_pair(results, arguments.id)
    prompt = read_prompt(results, pair.prompt_id, TRAINING_PROMPTS)
    return PairDocument(
        study=results.name,
        pairing=str(pairing),
        pair_id=pair.pair_id,
        prompt_id=pair.prompt_id,
        problem=prompt.text,
        answers=prompt.answers,
        pool=pair.pool,
        eligible=pair.eligible,
        reason=pair.reason,
        cell=pair.cell,
        sides=[_side(results, side, name) for side, name in sides_of(pairing, pair).items()],
        deltas=read_deltas(results, pairing, pair.pair_id),
        selections=taken(results, pairing, pair.pair_id),
        not_selected_yet=not_selected_yet(results, pairing),
    )


def sides_of(pairing: Pairing, pair: Pair) -> dict[Literal["chosen", "rejected"], TraceName]:
    """Side -> its trace, of the sides that have one."""
    sides: dict[Literal["chosen", "rejected"], TraceName] = {}
    if pair.chosen_sample is not None:
        sides["chosen"] = TraceName(pairing.chosen, pair.prompt_id, pair.chosen_sample)
    if pair.rejected_sample is not None:
        sides["rejected"] = TraceName(pairing.rejected, pair.prompt_id, pair.rejected_sample)
    return sides


def read_deltas(results: Results, pairing: Pairing, pair_id: str) -> list[PairDelta]:
    """The deltas of a pair on every dimension and composite, as far as they are there."""
    return [
        PairDelta(place.axes["dimension"], row.chosen_score, row.rejected_score, row.delta, row.failure)
        for place in results.tables.places("delta", **pairing.axes)
        for row in results.tables.rows("delta", Delta, {"pair_id": pair_id}, **place.axes)
    ]


def show(document: PairDocument, arguments: argparse.Namespace) -> None:
    print_line(f"pair {document.pairing}/{document.pair_id} of the study {document.study}")
    trained = "eligible" if document.eligible else f"not eligible: {document.reason}"
    in_pool = "" if document.pool else "; not the one pair of its prompt in the pool"
    print_facts({"prompt": document.prompt_id, "cell": f"{document.cell or 'not graded'}; {trained}{in_pool}"})
    print_heading("problem")
    print_quoted(document.problem)
    print_line(f"right: {' or '.join(document.answers) or formats.NONE}")
    for side in document.sides:
        print_heading(f"{side.side}: {side.trace}")
        answer = answer_line(side.extracted, side.correct, side.grade_failure, side.graded)
        print_line(f"answer {answer}; {formats.count(side.n_tokens)} tokens, ended by {side.finish_reason}")
        print_quoted(side.text or "")
    print_heading("deltas" if document.deltas else "no deltas yet")
    if document.deltas:
        print_deltas(document.deltas)
    for side in document.sides:
        for judgement in side.judgements:
            print_heading(f"why: {side.side}")
            print_judgement(judgement)
    if document.selections:
        print_heading("selections that took it")
        print_taken(document.selections)
    else:
        print_heading(none_took_it(document.eligible, document.not_selected_yet))
    if document.eligible and document.not_selected_yet:
        print_line(f"not there yet: {', '.join(document.not_selected_yet)}")


def print_deltas(deltas: list[PairDelta]) -> None:
    def score(value: float | None) -> str:
        return formats.NONE if value is None else f"{value:.4g}"

    print_table(
        [
            Column("dimension", lambda row: row.dimension),
            Column("chosen", lambda row: score(row.chosen_score), right=True),
            Column("rejected", lambda row: score(row.rejected_score), right=True),
            Column("delta", lambda row: formats.signed(row.delta), right=True),
            Column("failure", lambda row: row.failure or ""),
        ],
        deltas,
    )


def print_taken(selections: list[TakenPair]) -> None:
    print_table(
        [
            Column("selection", lambda row: row.selection),
            Column("order", lambda row: str(row.order), right=True),
            Column("rank (from 0)", lambda row: f"{row.rank:,} of {row.of:,}", right=True),
            Column(
                "drawn among ties", lambda row: {True: "yes", False: "no", None: formats.NONE}[row.drawn_among_ties]
            ),
            Column("swapped", lambda row: "yes" if row.swapped else ""),
            Column("arms", lambda row: arms_line(row.arms, row.trained)),
        ],
        selections,
    )


def arms_line(arms: list[str], trained: list[str]) -> str:
    return ", ".join(arm if arm in trained else f"{arm} (not trained yet)" for arm in arms)


def _side(results: Results, side: Literal["chosen", "rejected"], name: TraceName) -> ShownSide:
    trace, grade = read_trace(results, name), read_grade(results, name)
    return ShownSide(
        side=side,
        trace=str(name),
        text=trace.text,
        graded=grade is not None,
        correct=grade.correct if grade else None,
        extracted=grade.extracted if grade else None,
        grade_failure=grade.failure if grade else None,
        n_tokens=trace.n_tokens,
        finish_reason=trace.finish_reason,
        judgements=judged(results, name),
    )
