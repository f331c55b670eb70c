r"""Grader `theoremqa`: whole numbers, numbers, lists, truths and options, by the rules of TIGER-AI-Lab/TheoremQA."""

import json
from collections.abc import Sequence
from typing import Any

from prefdelta.core.final_answers import (
    boxed,
    close,
    last_line,
    last_number,
    list_items,
    lists_close,
    number,
    option,
    right_hand_side,
    stated,
    truth,
)
from prefdelta.core.thinking import without_thinking
from prefdelta.graders import maths_process


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(extracted answer, whether it is one of `answers`), or None if the trace has no answer.

    answers: as `theoremqa_answer` writes them. The answer is the last box, else what follows the last "answer is", else
    the last line if it holds one of the right type. Whole numbers are compared after rounding, others within 4 %, lists
    in any order. Two differences from upstream: truths are words ("know" is no "no"), and an answer that names several
    options chose the first. Raises GradingError if LaTeX cannot be evaluated within the limits.
    """
    answer = without_thinking(text)
    if answer is None:
        return None
    extracted = ", ".join(boxed(answer)) or stated(answer)
    if extracted:
        return extracted, any(_equal(extracted, json.loads(gold)) for gold in answers)
    line = last_line(answer)
    golds = [json.loads(gold) for gold in answers]
    if line is None or not any(_holds(line, gold["type"]) for gold in golds):
        return None
    return line, any(_equal(line, gold, anywhere=True) for gold in golds)


def _holds(line: str, answer_type: str) -> bool:
    """Whether a line that nobody called an answer has anything of the type in it."""
    if answer_type == "bool":
        return truth(line) is not None
    if answer_type == "option":
        return option(line) is not None
    return last_number(line) is not None


def _equal(text: str, gold: dict[str, Any], anywhere: bool = False) -> bool:
    """anywhere: a number may stand anywhere in the text; the last one counts."""
    right = gold["answer"]
    if gold["type"] == "bool":
        return truth(text) is right
    if gold["type"] == "option":
        return bool(option(text) == right)
    if gold["type"].startswith("list"):
        return lists_close(_numbers([right_hand_side(item) for item in list_items(text)]), right)
    value = _numbers([right_hand_side(text)])[0]
    return close(last_number(text) if value is None and anywhere else value, right)


def _numbers(texts: list[str]) -> list[float | None]:
    """The number each text stands for; those that are not plain digits are evaluated as LaTeX."""
    values = [number(text) for text in texts]
    latex = [text.replace("×", r"\times ") for text, value in zip(texts, values, strict=True) if value is None]
    evaluated = iter(maths_process.ask({"numbers": latex})["values"] if latex else [])
    return [next(evaluated) if value is None else value for value in values]
