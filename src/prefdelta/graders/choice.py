"""Grader `choice`: a letter from A to J, as in MMLU-Pro. How it is found is stated in `final_answers.letter`."""

from collections.abc import Sequence

from prefdelta.core.final_answers import letter
from prefdelta.core.thinking import without_thinking

LETTERS = "ABCDEFGHIJ"


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(letter, whether it is one of `answers`), or None if the trace chooses none."""
    answer = without_thinking(text)
    chosen = letter(answer, LETTERS) if answer else None
    return (chosen, chosen in answers) if chosen else None
