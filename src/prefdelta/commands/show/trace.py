"""A trace: its text, grade and scores, how it was made, and the pairs that it is in.

prefdelta show trace g3/001914e07e04317a/0 --configfile resources/studies/mini.yaml
"""

import argparse
from dataclasses import dataclass
from typing import Literal

from prefdelta.commands.looking.judged import DimensionScore, judged, print_scores
from prefdelta.commands.looking.names import TraceName, find_trace, read_prompt, read_trace
from prefdelta.commands.looking.origins import (
    GeneratorOrigin,
    PromptOrigin,
    generator_origin,
    listed,
    prompt_origin,
    short,
)
from prefdelta.commands.looking.results import Results
from prefdelta.commands.output import print_facts, print_heading, print_line, print_quoted
from prefdelta.commands.study_options import command_line
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair
from prefdelta.reporting.arms import pairing_at
from prefdelta.reporting.formats import NONE


@dataclass(frozen=True, slots=True)
class PairSide:
    pair_id: str
    pairing: str
    side: Literal["chosen", "rejected"]
    eligible: bool
    reason: str | None  # why it is not eligible


@dataclass(frozen=True, slots=True)
class TraceDocument:
    study: str
    trace: str
    generator: str
    prompt_id: str
    sample: int
    problem: str
    answers: list[str]  # each is right
    text: str | None
    finish_reason: str | None
    n_tokens: int | None
    failure: str | None
    unusable_because: str | None
    seed: int
    call_key: str
    graded: bool  # whether it is graded yet
    extracted: str | None
    correct: bool | None
    grade_failure: str | None
    scores: list[DimensionScore]  # by all judges; empty: not judged, or not yet
    prompt: PromptOrigin
    made_by: GeneratorOrigin
    pairs: list[PairSide]


def read(results: Results, arguments: argparse.Namespace) -> TraceDocument:
    name = find_trace(results, arguments.id)
    trace, prompt = read_trace(results, name), read_prompt(results, name.prompt_id)
    grade = read_grade(results, name)
    return TraceDocument(
        study=results.name,
        trace=str(name),
        generator=name.generator,
        prompt_id=name.prompt_id,
        sample=name.sample,
        problem=prompt.text,
        answers=prompt.answers,
        text=trace.text,
        finish_reason=trace.finish_reason,
        n_tokens=trace.n_tokens,
        failure=trace.failure,
        unusable_because=trace.unusable_because,
        seed=trace.seed,
        call_key=trace.call_key,
        graded=grade is not None,
        extracted=grade.extracted if grade else None,
        correct=grade.correct if grade else None,
        grade_failure=grade.failure if grade else None,
        scores=[score for form in judged(results, name) for score in form.scores],
        prompt=prompt_origin(results, prompt.source),
        made_by=generator_origin(results, name.generator),
        pairs=_pairs(results, name),
    )


def read_grade(results: Results, name: TraceName) -> Grade | None:
    """The grade of a trace; None if it is not there yet."""
    if not results.has("grade", generator=name.generator):
        return None
    where = {"prompt_id": name.prompt_id, "sample": name.sample}
    return next(iter(results.tables.rows("grade", Grade, where, generator=name.generator)), None)


def show(document: TraceDocument, arguments: argparse.Namespace) -> None:
    print_line(f"trace {document.trace} of the study {document.study}")
    print_facts(
        {
            "answer": answer_line(document.extracted, document.correct, document.grade_failure, document.graded),
            "tokens": f"{document.n_tokens if document.n_tokens is not None else NONE}, "
            f"ended by {document.finish_reason or NONE}",
            "usable": f"no: {document.unusable_because}" if document.unusable_because else "yes",
            "made by": document.made_by.line,
            "sampling": listed(document.made_by.sampling) or NONE,
            "template": template_line(document.made_by.template, document.made_by.template_sha256),
            "seed": str(document.seed),
            "call": short(document.call_key),
            "prompt": f"{document.prompt_id}, {document.prompt.line}",
        }
    )
    print_heading("problem")
    print_quoted(document.problem)
    print_line(f"right: {' or '.join(document.answers) or NONE}")
    print_heading("text")
    print_quoted(document.text if document.text is not None else f"(none: {document.failure})")
    print_heading("scores" if document.scores else "not judged, or not yet")
    if document.scores:
        print_scores(document.scores)
        print_line(f"why: {command_line(arguments.configfile, 'show', 'judgement', document.trace)}")
    print_heading("pairs" if document.pairs else "in no pair, or not paired yet")
    for pair in document.pairs:
        why = "" if pair.eligible else f", not eligible: {pair.reason}"
        print_line(f"{pair.pairing}/{pair.pair_id} ({pair.side}{why})")


def answer_line(extracted: str | None, correct: bool | None, failure: str | None, graded: bool = True) -> str:
    if not graded:
        return "not graded yet"
    verdict = f"not graded: {failure}" if correct is None else "right" if correct else "wrong"
    return verdict if extracted is None else f"{extracted} ({verdict})"


def template_line(path: str | None, sha256: str | None) -> str:
    return f"{path}, sha256 {short(sha256)}" if path and sha256 else NONE


def _pairs(results: Results, name: TraceName) -> list[PairSide]:
    found = []
    for place in results.tables.places("pair"):
        pairing = pairing_at(place)
        sides: list[Literal["chosen", "rejected"]] = ["chosen", "rejected"]
        for side in sides:
            if getattr(pairing, side) == name.generator:
                where = {"prompt_id": name.prompt_id, f"{side}_sample": name.sample}
                rows = results.tables.rows("pair", Pair, where, **pairing.axes)
                found += [PairSide(row.pair_id, str(pairing), side, row.eligible, row.reason) for row in rows]
    return found
