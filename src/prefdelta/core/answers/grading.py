"""Grading: whether an answer is right or wrong, or why neither can be said."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

from prefdelta.core.errors import StudyError

# (text, right answers) -> (extracted answer, whether it is right), or None if the text has no answer. Raises
# GradingError if neither can be said of this answer, StudyError if neither could be said of any.
Grader = Callable[[str, Sequence[str]], tuple[str, bool] | None]

_LONGEST_DETAIL = 300  # characters
_MOST_DETAILS = 20
_AT_ONCE = 8  # answers that one thread takes, at most

A = TypeVar("A")


class Graded(NamedTuple):
    """`correct` is None exactly if `failure` is not."""

    extracted: str | None
    correct: bool | None
    failure: str | None
    detail: str | None = None  # why the grader failed

    @property
    def verdict(self) -> str:
        """`right`, `wrong`, or the failure."""
        return self.failure or ("right" if self.correct else "wrong")


class GradingError(Exception):
    """Why an answer cannot be graded: `time_out`, `error`. Such an answer is neither right nor wrong."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class ModelAnswer(Protocol):
    """An answer of a model: a trace or a call."""

    @property
    def text(self) -> str | None: ...

    @property
    def finish_reason(self) -> str | None: ...

    @property
    def failure(self) -> str | None: ...


def grade_all(plan: Iterable[tuple[Grader, ModelAnswer, Sequence[str]]], threads: int) -> list[Graded]:
    """Grade answers, `threads` at a time; results are in their order. Slow graders work in processes of their own."""
    answers = list(plan)
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(lambda part: [grade(*item) for item in part], _in_parts(answers, threads))
        return [graded for part in parts for graded in part]


def _in_parts(answers: Sequence[A], threads: int) -> Iterator[Sequence[A]]:
    """A few answers at a time, because handing one to a thread takes longer than grading a short text.

    Of few answers one at a time, because they may be programs, and no thread shall wait for another's last ones.
    """
    size = max(1, min(_AT_ONCE, len(answers) // (_AT_ONCE * threads)))
    for begin in range(0, len(answers), size):
        yield answers[begin : begin + size]


def grade(grader: Grader, answer: ModelAnswer, right: Sequence[str]) -> Graded:
    """Grade one answer. A truncated answer is not graded.

    Models write what no grader foresaw, so whatever a grader raises is the failure `grader_error` of this answer alone.
    A StudyError is not caught: it is about the study or the machine, and would be raised for every answer.
    """
    if answer.failure is not None:
        return Graded(None, None, answer.failure)
    if answer.finish_reason == "length":
        return Graded(None, None, "truncated")
    try:
        graded = grader(answer.text or "", right)
    except StudyError:
        raise
    except GradingError as error:
        return Graded(None, None, error.kind, _in_one_line(str(error)))
    except Exception as error:
        return Graded(None, None, "grader_error", _in_one_line(f"{type(error).__name__}: {error}"))
    return Graded(*graded, None) if graded else Graded(None, None, "no_answer")


def _in_one_line(text: str) -> str:
    return " ".join(text[: 10 * _LONGEST_DETAIL].split())[:_LONGEST_DETAIL]


def grader_reasons(graded: Iterable[Graded]) -> dict[str, int]:
    """How often graders failed for each reason, the most frequent first, 20 at most."""
    return dict(Counter(grade.detail for grade in graded if grade.detail is not None).most_common(_MOST_DETAILS))
