"""Grading: from a trace to right, wrong, or a reason why neither can be said."""

from collections.abc import Callable, Sequence

# (trace, right answers) -> (extracted answer, whether it is right), or None if the trace has no answer. Raises
# GradingError if neither can be said.
Grader = Callable[[str, Sequence[str]], tuple[str, bool] | None]
Graded = tuple[str | None, bool | None, str | None]  # extracted, correct, failure


class GradingError(Exception):
    """Why a trace cannot be graded through no fault of its own: `time_out`, `error`. A state, never "wrong"."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


def grade_reply(
    grader: Grader, text: str | None, finish_reason: str | None, failure: str | None, answers: Sequence[str]
) -> Graded:
    """(extracted, correct, failure): `correct` is None exactly if `failure` is not. A truncated trace is not graded."""
    if failure is not None:
        return None, None, failure
    if finish_reason == "length":
        return None, None, "truncated"
    try:
        found = grader(text or "", answers)
    except GradingError as error:
        return None, None, error.kind
    return (*found, None) if found else (None, None, "no_answer")
