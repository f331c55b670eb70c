"""What judges said of a trace: scores, every vote with its reasoning and reply, and what they were asked.

prefdelta show judgement g3/001914e07e04317a/0/step_coherence --configfile resources/studies/mini.yaml
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.looking.judged import FormJudgement, judged, print_judgement
from prefdelta.commands.looking.names import TraceName, find_trace, read_prompt, read_trace
from prefdelta.commands.looking.origins import JudgeOrigin, listed
from prefdelta.commands.looking.results import Results, unknown
from prefdelta.commands.output import print_facts, print_heading, print_line, print_quoted
from prefdelta.commands.show.trace import template_line
from prefdelta.core.asking.judge_prompt import join_rubrics, judge_prompt
from prefdelta.core.asking.judges import at_judge, judge_in, without_judge
from prefdelta.core.errors import StudyError
from prefdelta.reporting.formats import NONE
from prefdelta.stages.judge import JudgeSettings
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
    dimension = parts.pop() if len(parts) > 2 and not parts[-1].isdecimal() else None
    name = find_trace(results, "/".join(parts))
    forms = _forms(results, dimension)
    found = judged(results, name, dimension)
    if not found:
        raise StudyError(_why_none(results, name, forms))
    asked = [_asked(results, name, form.asked) for form in found if arguments.asked]
    return JudgementDocument(results.name, str(name), found, asked)


def show(document: JudgementDocument, arguments: argparse.Namespace) -> None:
    print_line(f"judgement of {document.trace} of the study {document.study}")
    for judgement in document.judgements:
        print_heading(judgement.asked.form)
        print_judgement(judgement)
        asked = judgement.asked
        rubrics = {f"rubric {name}": template_line(**text) for name, text in asked.rubrics.items()}
        print_facts({"template": template_line(asked.template, asked.template_sha256)} | rubrics)
        print_line(f"sampling: {listed(asked.sampling) or NONE}")
    for text in document.asked:
        same = "" if text.as_then else "; its template or a rubric was edited since, so the judge saw another text"
        print_heading(f"asked in {text.form}{same}")
        print_quoted(text.text)


def _forms(results: Results, dimension: str | None) -> list[str]:
    """The study's forms: all, or those that ask a dimension. Raises StudyError if none does."""
    asked: dict[str, set[str]] = {}
    for job in results.study.jobs("judge"):
        settings, form = job.typed_settings, job.axes["form"]
        assert isinstance(settings, JudgeSettings)
        asked.setdefault(form, set()).update(at_judge(name, judge_in(form)) for name in settings.dimensions)
    if dimension is None:
        return list(asked)
    forms = [form for form, names in asked.items() if dimension in names]
    composites = results.study.config.delta.composites
    if not forms and (parts := composites.get(without_judge(dimension))):
        raise StudyError(
            f"{dimension!r} is the mean of {', '.join(parts)}; no judge is asked for it. `prefdelta show pair` has its "
            "scores, and `prefdelta show judgement` those of its parts."
        )
    if not forms:
        raise unknown("dimension", dimension, list(dict.fromkeys(name for names in asked.values() for name in names)))
    return forms


def _why_none(results: Results, name: TraceName, forms: Sequence[str]) -> str:
    """Why a trace has no judgement in any of some forms."""
    jobs = [
        job
        for job in results.study.jobs("judge")
        if job.axes["generator"] == name.generator and job.axes["form"] in forms
    ]
    waiting = [
        job.axes["form"] for job in jobs if not results.has("judge", generator=name.generator, form=job.axes["form"])
    ]
    if waiting:
        return (
            f"{name} is not judged yet in the form {', '.join(waiting)}. `prefdelta status` says how far the study is."
        )
    return (
        f"{name} is not asked about in the form {', '.join(forms)}. `judge.samples`, a generator's `judged`, and the "
        "`pairings` and `prompts` of a judge in `judge.others` say which traces are."
    )


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
