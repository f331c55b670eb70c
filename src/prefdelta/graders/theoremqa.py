r"""Grader `theoremqa`: whole numbers, numbers, lists, booleans and options, by the rules of TIGER-AI-Lab/TheoremQA."""

import json
import re
from collections.abc import Sequence
from typing import Any

from prefdelta.core.answers.final_answers import (
    bare,
    boxed,
    last_line,
    list_items,
    option,
    right_hand_side,
    stated,
    truth,
)
from prefdelta.core.asking.reasoning_marks import without_thinking
from prefdelta.core.maths.plain_numbers import as_latex, close, last_number, lists_close, number
from prefdelta.graders import maths_process

# A boolean in the place of a number: the word alone, or with more text after a stop ("Yes, it converges").
_TRUTH = re.compile(
    r"\W*(?:\\(?:text|mathrm)\s*\{)?(true|yes|false|no)\b\W*(?:(?<=[.,;:]\s)\w.*)?", re.IGNORECASE | re.DOTALL
)
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALE = re.compile(rf"\d\s*({'|'.join(_SCALES)})\b", re.IGNORECASE)
_PERCENT = re.compile(r"\d\s*(?:\\?%|per\s?cent\b)")


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(extracted answer, whether it is one of `answers`), or None if the trace has no answer.

    answers: as `theoremqa_answer` writes them. The answer is the last box, else the text after the last "answer is",
    else the last line if it has an answer of the right type. Whole numbers are compared after rounding, others within
    4 %, lists in any order; True is 1 and False is 0 if a number is asked for. docs/graders.md has the differences
    from upstream. Raises GradingError if LaTeX cannot be evaluated within the limits.
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
    """Whether a line that is not marked as an answer contains a value of the type."""
    if answer_type == "bool":
        return truth(line) is not None
    if answer_type == "option":
        return option(line) is not None
    return last_number(line) is not None or bool(_TRUTH.fullmatch(line))


def _equal(text: str, gold: dict[str, Any], anywhere: bool = False) -> bool:
    """Whether a text equals the gold answer. anywhere: the last number anywhere in the text counts."""
    right = gold["answer"]
    if gold["type"] == "bool":
        return truth(text) is right
    if gold["type"] == "option":
        return bool(option(text) == right)
    if gold["type"].startswith("list"):
        return lists_close(_numbers([right_hand_side(item) for item in list_items(text)]), right)
    value = _numbers([right_hand_side(text)])[0]
    if value is None and anywhere:
        value = last_number(text)
    if value is None and (stated_truth := _TRUTH.fullmatch(bare(text))):
        value = int(bool(truth(stated_truth[1])))
    if value is None:
        return False
    # "What percentage": the data set has some answers as 54.8, others as 0.548. The same holds for "in millions".
    factors = [1, 100] if right > 1 and _PERCENT.search(text) else [1]
    if scale := _SCALE.search(text):
        factors.append(_SCALES[scale[1].casefold()])
    return any(close(value * factor, right) for factor in factors)


def _numbers(texts: list[str]) -> list[float | None]:
    """The number of each text. Texts that are not plain digits are evaluated as LaTeX."""
    values = [number(text) for text in texts]
    # Numbers side by side are not a product.
    asked = [index for index, value in enumerate(values) if value is None and not re.search(r"\d\s+\d", texts[index])]
    latex = [as_latex(texts[index]) for index in asked]
    evaluated = maths_process.ask({"numbers": latex})["values"] if latex else []
    for index, value in zip(asked, evaluated, strict=True):
        values[index] = value
    return values
