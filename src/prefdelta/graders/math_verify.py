"""Grader `math_verify`: math-verify alone, as most who use it call it: `verify(parse("$gold$"), parse(answer))`.

It stands beside `maths`, to show which gains depend on the grader. The text after the reasoning is parsed with
math-verify's own options; the limits on time and memory are those of `maths_process`, so a hang is a failure and not a
wrong answer.
"""

from collections.abc import Sequence

from prefdelta.core.asking.reasoning_marks import without_thinking
from prefdelta.graders import maths_process


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(answer as math-verify reads it, whether it is one of `answers`), or None if it finds none.

    Raises GradingError.
    """
    answer = without_thinking(text)
    if answer is None or not answer.strip():
        return None
    reply = maths_process.ask({"alone": answer, "golds": list(answers)})
    return None if reply["extracted"] is None else (reply["extracted"], reply["correct"])
