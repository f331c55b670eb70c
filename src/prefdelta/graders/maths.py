r"""Grader `maths`: the last `\boxed{}`, or else the final answer that math-verify finds.

docs/graders.md says what counts as the same answer; `maths_compare` compares. Plain numbers and quotients are compared
here, everything else in a process with hard limits (`maths_process`): a comparison that hangs is a failure, not a wrong
answer.
"""

import re
from collections.abc import Sequence

from prefdelta.core.answers.final_answers import boxed, boxes, plain, stated
from prefdelta.core.asking.reasoning_marks import without_thinking
from prefdelta.graders import maths_process
from prefdelta.graders.maths_expressions import same_quotients

# A box's name, without its index: x_1 and x_2 are a list of x. The pattern never backtracks and reads few characters,
# because it runs in the job's own process, without limits on time.
_NAMED = re.compile(r"([A-Za-z]+)(?:_(?:\{\w+\}|[^\W_]+)|')*\s*=\s*\Z")
_LONGEST_NAME = 200  # characters


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(extracted answer, whether it is one of `answers`), or None if the trace has no answer.

    Answers with the same text are the same; mathematics decides about others. The extracted answer is as the model
    wrote it, or as math-verify reads it if it is not in a box. Raises GradingError.
    """
    answer = without_thinking(text)
    if answer is None or not answer.strip():
        return None
    candidates = [] if _ends_like_minerva(answer) else _boxed_answers(answer)
    golds = [", ".join(boxed(gold)) or gold for gold in answers]
    if not candidates:
        return _unboxed(answer, golds)
    if _same_text(candidates[0], golds):
        return candidates[0], True
    if len(candidates) == 1:
        verdicts = [same_quotients(gold.strip(), candidates[0]) for gold in golds]
        if None not in verdicts:  # all are plain numbers, which need no process
            return candidates[0], any(verdicts)
    reply = maths_process.ask({"answers": candidates, "golds": golds})
    return reply["extracted"], reply["correct"]


def _boxed_answers(text: str) -> list[str]:
    r"""The last box with the boxes that form one list with it; then, if each has its own name, the last box alone.

    `$a = \boxed{3}$, $b = \boxed{4}$ and $ab = \boxed{12}$` is a list if the right answer has three values, and 12
    if it has one.
    """
    named_boxes = boxes(text)
    contents = list(dict.fromkeys(content for content, _ in named_boxes))
    if len(contents) < 2:
        return contents
    between = [before for _, before in named_boxes[1:]]
    whole = (" or " if any(re.search(r"\bor\b", before) for before in between) else ", ").join(contents)
    names = [match[1] for _, before in named_boxes if (match := _NAMED.search(before[-_LONGEST_NAME:]))]
    return [whole, contents[-1]] if len(set(names)) == len(named_boxes) else [whole]


def _unboxed(answer: str, golds: list[str]) -> tuple[str, bool] | None:
    reply = maths_process.ask({"text": answer, "stated": stated(answer), "golds": golds})
    # Words are not mathematics, so math-verify may find nothing in "The answer is Evelyn."
    extracted = reply["extracted"] or stated(answer)
    return (extracted, reply["correct"] or _same_text(extracted, golds)) if extracted else None


def _ends_like_minerva(text: str) -> bool:
    """Whether "The final answer is …. I hope it is correct." follows the last box: math-verify prefers that answer."""
    end = text.rpartition("\\boxed")[2].casefold()
    return 0 <= end.find("final answer is") < end.rfind("i hope")


_DIGITS_APART = re.compile(r"\d\s+\d|\d\s*\\[,;:!]?\s*\d")


def _same_text(extracted: str, answers: Sequence[str]) -> bool:
    if _DIGITS_APART.search(extracted):  # 3 1/2 is not 31/2
        return extracted.strip() in [answer.strip() for answer in answers]
    return plain(extracted) in [plain(answer) for answer in answers if not _DIGITS_APART.search(answer)]
