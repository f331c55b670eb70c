r"""Grader `text`: equality of normalised texts, the simplest rule in use, for mathematics.

It stands beside `maths`, to show which gains depend on the grader. The answer is the last `\boxed{}`, else what
follows the last "answer is", else the last number (as lm-eval's gsm8k flexible-extract takes it).
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from prefdelta.core.answers.final_answers import boxed, plain, stated
from prefdelta.core.asking.reasoning_marks import without_thinking

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(extracted answer, whether its normalised text is that of one of `answers`), or None if there is none."""
    answer = without_thinking(text)
    if answer is None:
        return None
    extracted = ", ".join(boxed(answer)) or stated(answer) or _last_number(answer)
    if extracted is None:
        return None
    return extracted, _normalised(extracted) in {_normalised(gold) for gold in answers}


def _last_number(text: str) -> str | None:
    numbers = _NUMBER.findall(text)
    return numbers[-1].rstrip(",") if numbers else None


@lru_cache(maxsize=1024)  # one right answer meets many answers
def _normalised(text: str) -> str:
    r"""A text in lower case, without spaces, dollars, `\text{}` and the like, `\left`, `\right` and a full stop."""
    return plain(text).casefold()
