"""Grader `choice`: a letter from A to J, as in MMLU-Pro. `core.answers.letters.letter` says how it is found."""

from collections.abc import Sequence

from prefdelta.core.answers.letters import letter, mmlu_pro_letter
from prefdelta.core.asking.reasoning_marks import without_thinking

LETTERS = "ABCDEFGHIJ"


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(letter, whether it is one of `answers`), or None if the trace chooses no letter."""
    answer = without_thinking(text)
    chosen = letter(answer, LETTERS) if answer else None
    return (chosen, chosen in answers) if chosen else None


def upstream(text: str, answers: Sequence[str]) -> bool:
    """Whether the answer is right by MMLU-Pro's own rule, without that rule's guess if there is no letter."""
    answer = without_thinking(text)
    return answer is not None and mmlu_pro_letter(answer, LETTERS) in answers
