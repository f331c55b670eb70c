"""Grader `marker`, for the procedural tasks: the answer is the text after the last `A:`."""

from collections.abc import Sequence

from prefdelta.core.tasks.steps import ANSWER_MARK


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(extracted answer, whether it is one of `answers`), or None if the trace has no answer."""
    _, mark, answer = text.rpartition(ANSWER_MARK)
    if not mark or not answer:
        return None
    return answer, answer in answers
