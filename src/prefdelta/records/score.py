"""A score: one benchmark item answered once by one arm."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Score:
    """One row of `evaluate/<arm>/<group>.parquet`. `correct` is None exactly if `failure` says why."""

    VERSION: ClassVar[int] = 2
    ADDED: ClassVar[dict[int, tuple[str, ...]]] = {2: ("entropy", "by_math_verify", "by_text")}
    KEY: ClassVar[tuple[str, ...]] = ("benchmark", "prompt_id", "sample")

    benchmark: str
    prompt_id: str
    sample: int
    extracted: str | None
    correct: bool | None
    finish_reason: str | None
    n_tokens: int | None
    call_key: str
    failure: str | None  # as in Grade
    entropy: float | None = None  # nats, the sum over the answer's tokens (`core.asking.requests.Reply`)
    # What other graders say of the same answer: "right", "wrong", or a failure as in Grade. None: not asked.
    by_math_verify: str | None = None
    by_text: str | None = None
