"""Reference log-probabilities: of one trace under the untrained policy."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ReferenceLogps:
    """One row of `reference/<policy>/<generator>.parquet`."""

    VERSION: ClassVar[int] = 2
    KEY: ClassVar[tuple[str, ...]] = ("prompt_id", "sample")

    prompt_id: str
    generator: str
    sample: int
    logps: float | None  # nats, summed over the completion's tokens
    n_tokens: int | None  # completion tokens, end-of-sequence included
    key: str | None  # key in the record; None if nothing was computed
    failure: str | None  # "truncated", "too_long", ...; None exactly if logps is a number
