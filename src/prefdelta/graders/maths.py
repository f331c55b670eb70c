r"""Grader `maths`: the last `\boxed{}`, or else what math-verify takes for the final answer, compared by math-verify.

Each comparison runs in a process with hard limits (`maths_process`): a hang is a failure, never a wrong answer.
"""

import re
from collections.abc import Sequence

from prefdelta.core.final_answers import boxed, braced_powers, plain, stated
from prefdelta.core.thinking import without_thinking
from prefdelta.graders import maths_process

_MARKED = re.compile(r"\$|\\\[|\\\(|\\boxed")  # mathematics that math-verify finds by itself


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(extracted answer, whether it is one of `answers`), or None if the trace has no answer.

    Answers that are the same text are the same; mathematics decides about the others. The extracted answer is as the
    model wrote it, or as math-verify reads it if it stands in no box. Raises GradingError.
    """
    answer = without_thinking(text)
    if answer is None or not answer.strip():
        return None
    boxes = [] if _ends_like_minerva(answer) else boxed(answer)
    extracted = ", ".join(boxes) or None
    if extracted and _same_text(extracted, answers):
        return extracted, True
    marked = " and ".join(f"$\\boxed{{{braced_powers(box)}}}$" for box in boxes) or answer
    reply = maths_process.ask({"answer": marked, "golds": [_marked(gold) for gold in answers]})
    # Words are no mathematics, so math-verify may find nothing in "The answer is Evelyn."
    extracted = extracted or reply["extracted"] or stated(answer)
    return (extracted, reply["correct"] or _same_text(extracted, answers)) if extracted else None


def _ends_like_minerva(text: str) -> bool:
    """Whether "The final answer is …. I hope it is correct." follows the last box: math-verify takes the later one."""
    end = text.rpartition("\\boxed")[2].casefold()
    return 0 <= end.find("final answer is") < end.rfind("i hope")


def _same_text(extracted: str, answers: Sequence[str]) -> bool:
    return plain(extracted) in [plain(answer) for answer in answers]


def _marked(gold: str) -> str:
    """A right answer as mathematics: data sets write it with or without the marks of LaTeX."""
    return gold if _MARKED.search(gold) else f"${' '.join(braced_powers(gold).split())}$"
