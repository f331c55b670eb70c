"""A prompt: one problem put to models, with the answers that count as right."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of `prompts/<source>.parquet`."""

    VERSION: ClassVar[int] = 1
    KEY: ClassVar[tuple[str, ...]] = ("prompt_id",)

    # Hash of how it is made (a family, or `data`) and its text: an edited prompt is another prompt. A repeated row that
    # a benchmark counts again has its number in it, too.
    prompt_id: str
    source: str  # the training set or the benchmark it belongs to
    text: str  # the problem as written, before any template
    answers: list[str]  # each of them is right; how they are compared is the grader's business
