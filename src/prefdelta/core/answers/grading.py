"""Grading: from a trace to right, wrong, or a reason why neither can be said."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

from prefdelta.core.errors import StudyError

# (trace, right answers) -> (extracted answer, whether it is right), or None if the trace has no answer. Raises
# GradingError if neither can be said, StudyError if that would be so for every trace.
Grader = Callable[[str, Sequence[str]], tuple[str, bool] | None]

_LONGEST_DETAIL = 300  # characters
_MOST_DETAILS = 20


class Graded(NamedTuple):
    """`correct` is None exactly if `failure` is not."""

    extracted: str | None
    correct: bool | None
    failure: str | None
    detail: str | None = None  # what the grader said of a failure of its own


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
    """Grade one answer. A truncated trace is not graded.

    Models write what no grader foresaw, so whatever a grader raises is this answer's failure, `grader_error`, and ends
    nothing else. A StudyError passes: it is about the study or the machine, and would be raised for every answer.
    """
    if answer.failure is not None:
        return Graded(None, None, answer.failure)
    if answer.finish_reason == "length":
        return Graded(None, None, "truncated")
    try:
        found = grader(answer.text or "", right)
    except StudyError:
        raise
    except GradingError as error:
        return Graded(None, None, error.kind, _one_line(str(error)))
    except Exception as error:
        return Graded(None, None, "grader_error", _one_line(f"{type(error).__name__}: {error}"))
    return Graded(*found, None) if found else Graded(None, None, "no_answer")


def _one_line(text: str) -> str:
    return " ".join(text[: 10 * _LONGEST_DETAIL].split())[:_LONGEST_DETAIL]


def grader_said(graded: Iterable[Graded]) -> dict[str, int]:
    """How often graders gave each reason for a failure of their own, the most frequent first, 20 at most."""
    return dict(Counter(one.detail for one in graded if one.detail is not None).most_common(_MOST_DETAILS))
