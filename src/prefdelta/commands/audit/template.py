"""How each model's chat template renders a prompt where the model is asked, and how training reads it.

For every model of the study whose tokenizer is on this machine: one prompt, rendered as the model is asked it in
generate, judge (if the study serves its judge), reference and evaluate. `BOS`: beginning-of-sequence tokens in it, of
which there must not be two; `reply`: whether the prompt ends with the beginning of the model's turn; `prefix`: whether
the tokens of the prompt are a prefix of those of prompt and completion, as training needs; `reasoning`: whether the
prompt opens or closes it; `date`: the study's date if the template writes one, which never is the clock's. `trained
alike`: whether a policy is evaluated on the prompt that it is trained on (a benchmark may have a template of its own).
Exit code 1 if a model fails. --show prints the rendered prompts. Asks no model. Read-only.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from prefdelta.commands.audit.finding import Finding, FoundTable
from prefdelta.commands.checks.templates import describe_template
from prefdelta.commands.checks.tokenizers import check_marks
from prefdelta.commands.output import Column
from prefdelta.commands.preview.messages import Asked, Messages, asked_by, tokenizer_folder
from prefdelta.core.asking.stored_reasoning import as_generated, closed_by, opened_by
from prefdelta.core.asking.template_settings import TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.models.chat_templates import render
from prefdelta.models.loading import load_tokenizer
from prefdelta.reading.study_tables import StudyTables
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.stages.evaluate import EvaluateSettings
from prefdelta.study.job import StudyJob
from prefdelta.study.study import Study
from prefdelta.training.spelling import UnfitTraceError, text_ids
from prefdelta.training.tokens import check_beginning, tokenise

TABLES = ("templates",)
_PROBLEM, _COMPLETION = "What is 1 + 1?", "The answer is 2."
_ANOTHER_DAY = "1999-12-31"


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A model in one of its roles. Fields are None if they were not reached, or do not apply."""

    model: str
    role: str  # the stage that asks it
    template: str  # the file of the problem's template
    tokens: int | None  # of the prompt
    beginnings: int | None
    opens_reply: bool | None
    prefix: str | None  # "yes", or "apart": the completion is tokenised apart, since its first characters would merge
    reasoning: str | None  # "opened", "closed", or "no mark"
    date: str | None  # "none" if the template writes none
    trained_alike: bool | None  # of evaluate
    remarks: list[str]
    problem: str | None  # why it fails, or was not looked at
    failed: bool
    prompt: str | None


_COLUMNS: Sequence[Column[RenderedPrompt]] = (
    Column("model", lambda row: row.model),
    Column("asked by", lambda row: row.role),
    Column("template", lambda row: row.template.rpartition("/")[2]),
    Column("tokens", lambda row: _word(row.tokens), right=True),
    Column("BOS", lambda row: _word(row.beginnings), right=True),
    Column("reply", lambda row: _word(row.opens_reply)),
    Column("prefix", lambda row: _word(row.prefix)),
    Column("reasoning", lambda row: _word(row.reasoning)),
    Column("date", lambda row: _word(row.date)),
    Column("trained alike", lambda row: _word(row.trained_alike)),
    Column("", lambda row: row.problem or "; ".join(row.remarks)),
)


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--show", action="store_true", help="print the rendered prompts, too")


def find(study: Study, arguments: argparse.Namespace) -> Finding:
    problem, completion = _texts(study)
    rows = list(_rows(study, problem, completion))
    looked = [row for row in rows if row.prompt is not None or row.failed]
    failed = sorted({row.model for row in rows if row.failed})
    absent = sorted({row.model for row in rows if row.prompt is None and not row.failed})
    return Finding(
        audit="template",
        study=study.config.study,
        tables=[FoundTable("templates", "one prompt, as each model is asked it", RenderedPrompt, _COLUMNS, rows)],
        conclusion=_conclusion(len({row.model for row in looked}), failed, absent),
        over_limit=bool(failed),
        limit={"models that fail": 0},
        quoted=[(f"{row.model}, {row.role}", row.prompt) for row in rows if arguments.show and row.prompt],
    )


def _texts(study: Study) -> tuple[str, str]:
    """A problem, and a completion: the study's first ones, if they are there."""
    outputs = StudyTables(study.outputs, study.config.study)
    problem, completion = _PROBLEM, _COMPLETION
    if any(outputs.places("prompts", source=TRAINING_PROMPTS)):
        first = outputs.rows("prompts", Prompt, source=TRAINING_PROMPTS)[0]
        problem = first.text
        for place in outputs.places("generate"):
            traces = outputs.rows("generate", Trace, where={"prompt_id": first.prompt_id}, **place.axes)
            if whole := [trace for trace in traces if trace.usable]:
                completion = str(whole[0].text)
                break
    return problem, completion


def _rows(study: Study, problem: str, completion: str) -> Iterator[RenderedPrompt]:
    for model in study.config.models:
        jobs = _roles(study, model)
        folder = tokenizer_folder(study, model)
        tokenizer, why, failed = None, "its files are not on this machine", False
        if folder is not None and jobs:
            try:
                tokenizer = load_tokenizer(folder)
            except Exception as error:  # a library's error about malformed files
                why, failed = f"its tokenizer in {folder} cannot be used: {type(error).__name__}: {error}", True
        trained_on: str | None = None
        for role, job in jobs:
            for benchmark in _benchmarks(job):
                asked = asked_by(job, problem, completion, benchmark)
                if tokenizer is None:
                    yield _absent(model, role, asked.template, why, failed)
                    continue
                row = _row(study, model, role, tokenizer, asked, completion, trained_on)
                if role == "reference":
                    trained_on = row.prompt
                yield row


def _roles(study: Study, model: str) -> list[tuple[str, StudyJob]]:
    """The stages that ask a model, each with a job of it."""
    config = study.config
    roles: dict[str, StudyJob] = {}
    for stage in ("generate", "judge", "reference", "evaluate"):
        for job in study.jobs(stage):
            axes = job.axes
            match job.kind:
                case "generate":
                    asked = config.generator(axes["generator"]).model
                case "judge":
                    asked = config.judge.model
                case "reference" | "evaluate_base":
                    asked = axes["policy"]
                case _:
                    continue
            if asked == model:
                roles.setdefault(stage, job)
    return list(roles.items())


def _benchmarks(job: StudyJob) -> list[str]:
    """For a job of evaluate a benchmark of each template; for any other job one that it does not need."""
    settings = job.typed_settings
    if not isinstance(settings, EvaluateSettings):
        return [""]
    return list({asked.template: name for name, asked in settings.benchmarks.items()}.values())


def _absent(model: str, role: str, template: str, why: str, failed: bool) -> RenderedPrompt:
    nothing = dict.fromkeys(("tokens", "beginnings", "opens_reply", "prefix", "reasoning", "date", "trained_alike"))
    return RenderedPrompt(model, role, template, **nothing, remarks=[], problem=why, failed=failed, prompt=None)


def _row(
    study: Study, model: str, role: str, tokenizer: Any, asked: Asked, completion: str, trained_on: str | None
) -> RenderedPrompt:
    rendering = study.rendering(model)
    try:
        prompt = render(tokenizer, asked.messages, rendering)
        ids = text_ids(tokenizer, prompt)
        beginnings = check_beginning(tokenizer, ids)
        remarks = describe_template(tokenizer, asked.messages, rendering)
        if marks := study.config.models[model].thinking:
            check_marks(tokenizer, marks)
            remarks.append("its marks of thinking are tokens")
        before = render(tokenizer, asked.messages, rendering, reply=False)
        another = render(tokenizer, asked.messages, rendering.model_copy(update={"date": _ANOTHER_DAY}))
        prefix = _prefix(tokenizer, asked.messages, prompt, completion, rendering) if role == "reference" else None
    except UnfitTraceError as error:  # of the example, and not of the model
        return _absent(model, role, asked.template, f"not looked at with this example: {error}", failed=False)
    except StudyError as error:
        return _absent(model, role, asked.template, str(error), failed=True)
    return RenderedPrompt(
        model=model,
        role=role,
        template=asked.template,
        tokens=len(ids),
        beginnings=beginnings,
        opens_reply=prompt.startswith(before) and len(prompt) > len(before),
        prefix=prefix,
        reasoning="closed" if closed_by(prompt) else "no mark" if opened_by(prompt) is None else "opened",
        date="none" if prompt == another else rendering.date,
        trained_alike=prompt == trained_on if role == "evaluate" and trained_on is not None else None,
        remarks=remarks,
        problem=None,
        failed=False,
        prompt=prompt,
    )


def _prefix(tokenizer: Any, messages: Messages, prompt: str, completion: str, rendering: TemplateSettings) -> str:
    """How a trace is tokenised after its prompt. Raises StudyError if training cannot use it."""
    tokens = tokenise(tokenizer, messages, completion, rendering)
    whole = text_ids(tokenizer, prompt + as_generated(prompt, completion))
    return "yes" if whole[: len(tokens.prompt)] == tokens.prompt else "apart"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _conclusion(looked: int, failed: Sequence[str], absent: Sequence[str]) -> str:
    unseen = f" Not looked at, or not in every role: {', '.join(absent)}." if absent else ""
    if failed:
        return (
            f"{len(failed)} of {looked} models cannot be asked or trained as they are: {', '.join(failed)}. Mend what "
            f"the last column says before anything is paid for.{unseen}"
        )
    if not looked:
        return f"No model's tokenizer is on this machine: nothing can be concluded.{unseen}"
    return (
        f"{looked} models render their prompts with at most one BOS, and training reads what was rendered. It does not "
        f"follow that the models were made for this prompt: their cards say so.{unseen}"
    )
