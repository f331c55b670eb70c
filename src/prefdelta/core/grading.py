"""Grading: from a trace to right, wrong, or a reason why neither can be said."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

# (trace, right answers) -> (extracted answer, whether it is right), or None if the trace has no answer. Raises
# GradingError if neither can be said.
Grader = Callable[[str, Sequence[str]], tuple[str, bool] | None]
Graded = tuple[str | None, bool | None, str | None]  # extracted, correct, failure


class GradingError(Exception):
    """Why a trace cannot be graded through no fault of its own: `time_out`, `error`. A state, never "wrong"."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class Answer(Protocol):
    """What a model gave: a trace, or a call."""

    @property
    def text(self) -> str | None: ...

    @property
    def finish_reason(self) -> str | None: ...

    @property
    def failure(self) -> str | None: ...


def grade_all(plan: Iterable[tuple[Grader, Answer, Sequence[str]]], threads: int) -> list[Graded]:
    """Grade answers, `threads` at a time, in their order: graders that take long work in processes of their own."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda one: grade(*one), plan))


def grade(grader: Grader, answer: Answer, right: Sequence[str]) -> Graded:
    """(extracted, correct, failure): `correct` is None exactly if `failure` is not. A truncated trace is not graded."""
    if answer.failure is not None:
        return None, None, answer.failure
    if answer.finish_reason == "length":
        return None, None, "truncated"
    try:
        found = grader(answer.text or "", right)
    except GradingError as error:
        return None, None, error.kind
    return (*found, None) if found else (None, None, "no_answer")
