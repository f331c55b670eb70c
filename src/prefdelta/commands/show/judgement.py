"""What judges said of a trace: scores, every vote with its reasoning and reply, and what they were asked.

prefdelta show judgement g3/001914e07e04317a/0/step_coherence --configfile resources/studies/mini.yaml
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.looking.judged import FormJudgement, judged, print_judgement
from prefdelta.commands.looking.names import TraceName, find_trace, read_prompt, read_trace
from prefdelta.commands.looking.origins import JudgeOrigin
from prefdelta.commands.looking.results import Results, unknown
from prefdelta.commands.output import print_facts, print_heading, print_line, print_quoted
from prefdelta.commands.show.trace import template_line
from prefdelta.core.asking.judge_prompt import join_rubrics, judge_prompt
from prefdelta.core.errors import StudyError
from prefdelta.reporting.formats import NONE
from prefdelta.system.files import sha256_of


@dataclass(frozen=True, slots=True)
class AskedText:
    """The text that a judge was asked, put together anew."""

    form: str
    text: str
    as_then: bool  # whether template and rubrics are those that the judge was asked with


@dataclass(frozen=True, slots=True)
class JudgementDocument:
    study: str
    trace: str
    judgements: list[FormJudgement]  # by form
    asked: list[AskedText]  # only with --asked


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--asked", action="store_true", help="the whole text that the judge was asked, too")


def read(results: Results, arguments: argparse.Namespace) -> JudgementDocument:
    parts = arguments.id.split("/")
    dimension = parts.pop() if len(parts) == 4 else None
    name = find_trace(results, "/".join(parts))
    found = judged(results, name)
    known = [score.dimension for form in found for score in form.scores]
    if not found:
        raise StudyError(
            f"{results.study.results}/judge: {name} is not judged, or not yet. `prefdelta status` says "
            "how far the study is; `judge.samples` and a generator's `judged` say which samples are judged."
        )
    if dimension is not None and dimension not in known:
        raise unknown("dimension", dimension, known)
    if dimension is not None:
        found = judged(results, name, dimension)
    asked = [_asked(results, name, form.asked) for form in found if arguments.asked]
    return JudgementDocument(results.name, str(name), found, asked)


def show(document: JudgementDocument, arguments: argparse.Namespace) -> None:
    print_line(f"judgement of {document.trace} of the study {document.study}")
    for judgement in document.judgements:
        print_heading(judgement.asked.form)
        print_judgement(judgement)
        asked = judgement.asked
        rubrics = {f"rubric {name}": template_line(**text) for name, text in asked.rubrics.items()}
        sampling = ", ".join(f"{name} {value}" for name, value in asked.sampling.items())
        print_facts({"template": template_line(asked.template, asked.template_sha256)} | rubrics)
        print_line(f"sampling: {sampling or NONE}")
    for text in document.asked:
        same = "" if text.as_then else "; its template or a rubric was edited since, so the judge saw another text"
        print_heading(f"asked in {text.form}{same}")
        print_quoted(text.text)


def _asked(results: Results, name: TraceName, asked: JudgeOrigin) -> AskedText:
    """The judge's prompt from the files as they are now. Raises StudyError if they cannot be put together."""
    manifest = results.manifest("judge", generator=name.generator, form=asked.form)
    if manifest is None or asked.template is None:
        raise StudyError(f"{asked.form}: the judge's job has not ended, so what it was asked is not known yet.")
    template, dimensions = Path(asked.template), manifest.settings["dimensions"]
    rubrics = {dimension: Path(asked.rubrics[dimension]["path"]) for dimension in dimensions}
    digests = {template: asked.template_sha256}
    digests |= {rubrics[dimension]: asked.rubrics[dimension]["sha256"] for dimension in dimensions}
    return AskedText(
        form=asked.form,
        text=judge_prompt(
            _text(template),
            asked.template,
            form=manifest.settings["form"],
            rubric=join_rubrics((dimension, _text(path)) for dimension, path in rubrics.items()),
            problem=read_prompt(results, name.prompt_id).text,
            trace=read_trace(results, name).text or "",
        ),
        as_then=all(sha256 == sha256_of(path) for path, sha256 in digests.items()),
    )


def _text(path: Path) -> str:
    """A text as the stage reads it."""
    return path.read_text(encoding="utf-8").strip()
