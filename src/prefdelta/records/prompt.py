"""A prompt: one problem put to models, with the answers that count as right."""

from dataclasses import dataclass, replace
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of `prompts/<source>.parquet`."""

    VERSION: ClassVar[int] = 1
    KEY: ClassVar[tuple[str, ...]] = ("prompt_id",)

    prompt_id: str  # hash of its kind (a family, or `data`) and its text: an edited prompt is another prompt
    source: str  # the training set or the benchmark it belongs to
    text: str  # the problem as written, before any template
    answers: list[str]  # each answer is right; the grader decides how answers are compared


def repeated(prompt: Prompt, time: int) -> Prompt:
    """The item of a further row with the same problem, if a benchmark counts each row. time: 2 for the second row."""
    return replace(prompt, prompt_id=f"{prompt.prompt_id}.{time}")


def problem_of(prompt_id: str) -> str:
    """The id of the problem's first item, which all items of the problem share."""
    return prompt_id.partition(".")[0]
