"""A benchmark's item: how every arm answered it, and, with --arm, what an arm wrote.

prefdelta show item mini_maths_hard/000484791c --configfile resources/studies/mini.yaml
prefdelta show item mini_maths_hard/000484791c --arm pa/g3~g1/all/dpo/s0 --configfile resources/studies/mini.yaml
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.looking.answers import members
from prefdelta.commands.looking.names import find_arms, find_group, find_item
from prefdelta.commands.looking.results import Results
from prefdelta.commands.output import Column, print_facts, print_heading, print_line, print_quoted, print_table
from prefdelta.core.arms import Arm, Base
from prefdelta.models.weights import open_weights
from prefdelta.records.call import Call
from prefdelta.records.score import Score
from prefdelta.reporting import formats
from prefdelta.stages.evaluate import EvaluateSettings
from prefdelta.store import tables
from prefdelta.store.calls import policy_calls
from prefdelta.store.record import Record
from prefdelta.study.job import StudyJob


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """One answer of an arm or an untrained policy."""

    arm: str
    group: str
    sample: int
    extracted: str | None
    correct: bool | None
    failure: str | None  # `truncated` and `no_answer` count as not solved; others do not count
    finish_reason: str | None
    n_tokens: int | None
    call_key: str
    text: str | None  # only with --arm


@dataclass(frozen=True, slots=True)
class ItemDocument:
    study: str
    item: str
    problem: str
    right_answers: list[str]
    answers: list[ItemAnswer]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--arm", metavar="ARM", help="only this arm (or all its repeats), with the text of its answers")
    parser.add_argument("--group", metavar="GROUP", help="only this group of `evaluate`")


def read(results: Results, arguments: argparse.Namespace) -> ItemDocument:
    prompt = find_item(results, arguments.id)
    group = None if arguments.group is None else find_group(results, arguments.group)
    asked = None if arguments.arm is None else set(members(find_arms(results, arguments.arm)))
    answers = []
    for job in results.study.jobs("evaluate"):
        for arm, path in zip(job.arms, map(Path, job.outputs), strict=True):
            if (asked is None or arm in asked) and group in (None, path.stem) and path.is_file():
                rows = _rows(path, prompt.source, prompt.prompt_id)
                texts = _texts(results, job, arm, rows) if asked else {}
                answers += [_answer(arm, path.stem, row, texts) for row in rows]
    groups = list(results.study.config.evaluate.groups)
    answers.sort(key=lambda answer: (groups.index(answer.group), answer.arm.split("/")[0], "/base" not in answer.arm))
    return ItemDocument(results.name, f"{prompt.source}/{prompt.prompt_id}", prompt.text, prompt.answers, answers)


def show(document: ItemDocument, arguments: argparse.Namespace) -> None:
    print_line(f"item {document.item} of the study {document.study}")
    print_quoted(document.problem)
    print_facts({"right": " or ".join(document.right_answers) or formats.NONE})
    print_heading(f"{len(document.answers):,} answers" if document.answers else "no answers yet")
    if arguments.arm:
        for answer in document.answers:
            print_heading(f"{answer.arm}, {answer.group}, sample {answer.sample}: {_verdict(answer)}")
            print_quoted(answer.text if answer.text is not None else "(its reply is not in this study's record)")
    elif document.answers:
        print_table(
            [
                Column("arm", lambda row: row.arm),
                Column("group", lambda row: row.group),
                Column("sample", lambda row: str(row.sample), right=True),
                Column("verdict", _verdict),
                Column("answer", lambda row: row.extracted or formats.NONE),
                Column("tokens", lambda row: formats.count(row.n_tokens), right=True),
            ],
            document.answers,
        )


def _verdict(answer: ItemAnswer) -> str:
    return answer.failure or ("right" if answer.correct else "wrong")


def _rows(path: Path, benchmark: str, prompt_id: str) -> list[Score]:
    import pyarrow.compute as pc

    table = tables.read_arrow(path, Score)
    of_item = pc.and_(pc.equal(table.column("benchmark"), benchmark), pc.equal(table.column("prompt_id"), prompt_id))
    return tables.rows_of(path, table.filter(of_item), Score)


def _texts(results: Results, job: StudyJob, arm: Arm | Base, rows: list[Score]) -> dict[str, str | None]:
    """Call -> what the arm wrote, of the calls that are in the record."""
    settings = job.typed_settings
    assert isinstance(settings, EvaluateSettings)
    pointers = [Path(path) for path in job.inputs["weights"]]
    place = job.arms.index(arm)
    policy = open_weights(pointers[place : place + 1], settings.hub, results.record, only_look=True)
    calls = Record(policy_calls(results.record, policy.key), Call, only_look=True)
    return {key: call.text for key, call in calls.fetch({row.call_key for row in rows}).items()}


def _answer(arm: Arm | Base, group: str, row: Score, texts: dict[str, str | None]) -> ItemAnswer:
    return ItemAnswer(
        arm=str(arm),
        group=group,
        sample=row.sample,
        extracted=row.extracted,
        correct=row.correct,
        failure=row.failure,
        finish_reason=row.finish_reason,
        n_tokens=row.n_tokens,
        call_key=row.call_key,
        text=texts.get(row.call_key),
    )
