"""The messages that jobs put to models, and the models' files on this machine."""

from pathlib import Path
from typing import NamedTuple

from prefdelta.commands.checks.hub_files import model_folder
from prefdelta.core.asking.judge_prompt import join_rubrics, judge_prompt
from prefdelta.core.asking.prompt_template import ask_problem
from prefdelta.core.layout import output
from prefdelta.models.weights import open_weights
from prefdelta.stages.evaluate import EvaluateSettings
from prefdelta.stages.generate import GenerateSettings
from prefdelta.stages.judge import JudgeSettings
from prefdelta.stages.reference import ReferenceSettings
from prefdelta.study.job import StudyJob
from prefdelta.study.study import Study

Messages = tuple[tuple[str, str], ...]  # (role, content)
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")


class Asked(NamedTuple):
    """What a job asks about one problem."""

    template: str  # the file
    messages: Messages


def asked_by(job: StudyJob, problem: str, trace: str = "", benchmark: str = "") -> Asked:
    """What a job of generate, judge, reference or evaluate asks about a problem.

    trace: for the judge. benchmark: for evaluate, whose benchmarks may have templates of their own.
    """
    settings = job.typed_settings
    if isinstance(settings, JudgeSettings):
        (template,) = job.inputs["template"]
        files = {Path(path).stem: path for path in job.inputs["rubrics"]}
        rubric = join_rubrics((name, _text(files[name])) for name in settings.dimensions)
        text = judge_prompt(_text(template), template, form=settings.form, rubric=rubric, problem=problem, trace=trace)
        return Asked(template, (("user", text),))
    assert isinstance(settings, GenerateSettings | ReferenceSettings | EvaluateSettings)
    if isinstance(settings, EvaluateSettings):
        template = settings.benchmarks[benchmark].template
    else:
        (template,) = job.inputs["template"]
    return Asked(template, ask_problem(_text(template), problem, template, settings.system))


def tokenizer_folder(study: Study, model: str) -> Path | None:
    """The folder with a model's tokenizer; None if it is not on this machine."""
    hub = study.config.models[model].hub
    if hub:
        folder = model_folder(hub)
    else:
        pointer = Path(study.results) / output("ladder", model=model)
        folder = open_weights([pointer], None, Path(study.record), only_look=True).folder if pointer.is_file() else None
    return folder if folder and any((folder / file).is_file() for file in _TOKENIZER_FILES) else None


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").strip()
