"""A trace: all that a generator returned for one draw (reasoning and answer)."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Trace:
    """One row of `generate/<generator>.parquet`. A failed draw keeps its row, with `failure` and no text."""

    VERSION: ClassVar[int] = 2
    KEY: ClassVar[tuple[str, ...]] = ("prompt_id", "sample")

    prompt_id: str
    generator: str
    sample: int  # index of the draw, from 0
    text: str | None
    finish_reason: str | None  # "stop" or "length" (truncated)
    n_tokens: int | None  # completion tokens, end-of-sequence included
    seed: int
    call_key: str  # key of the recorded call that this row was made from
    failure: str | None  # None, or a permanent failure: "too_long", ...
    source_correct: bool | None = None  # whether the data set that ships it says that it is right

    @property
    def unusable_because(self) -> str | None:
        """Why the trace is neither judged nor paired: "failed", "truncated" or "empty"; None for a usable trace."""
        if self.failure is not None:
            return "failed"
        if self.finish_reason == "length":
            return "truncated"
        return None if self.text else "empty"

    @property
    def usable(self) -> bool:
        return self.unusable_because is None
