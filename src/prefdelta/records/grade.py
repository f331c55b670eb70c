"""A grade: whether the final answer of a trace is right."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Grade:
    """One row of `grade/<generator>.parquet`. `correct` is None exactly if `failure` says why."""

    VERSION: ClassVar[int] = 1
    KEY: ClassVar[tuple[str, ...]] = ("prompt_id", "sample")

    prompt_id: str
    generator: str
    sample: int
    extracted: str | None  # the final answer as found in the trace
    correct: bool | None
    failure: str | None  # "truncated", "no_answer", the grader's ("time_out", "error", "grader_error"), the trace's
