"""What a judge is asked: a template with the category, the rubrics of its dimensions, a problem and a trace."""

from collections.abc import Iterable

from prefdelta.core.asking.prompt_template import fill

SLOTS = ("category", "rubric", "problem", "trace")


def join_rubrics(rubrics: Iterable[tuple[str, str]]) -> str:
    """The rubric of a form: one section per dimension, in the order given. rubrics: (dimension, its text)."""
    return "\n\n".join(f"## {dimension}\n{text}" for dimension, text in rubrics)


def judge_prompt(template: str, where: str, *, form: str, rubric: str, problem: str, trace: str) -> str:
    """The text that asks a judge to rate one trace.

    where: the template's file, for errors. form: its name is the category. rubric: as `join_rubrics` gives it.
    Raises StudyError as `fill`.
    """
    values = (form.replace("_", " ").capitalize(), rubric, problem, trace)
    return fill(template, dict(zip(SLOTS, values, strict=True)), where)
