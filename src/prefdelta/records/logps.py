"""Log-probabilities in the record: of one trace under one model."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class RecordedLogps:
    """One row of a partition of the record. The key covers weights, messages, trace, limits, precision and code."""

    VERSION: ClassVar[int] = 1
    KEY: ClassVar[tuple[str, ...]] = ("key",)

    key: str
    logps: float | None  # nats, summed over the completion's tokens
    n_tokens: int | None  # completion tokens, end-of-sequence included
    failure: str | None  # "too_long"; None exactly if logps is a number
