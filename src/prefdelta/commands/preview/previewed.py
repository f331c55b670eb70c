"""The results of a preview."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PreviewedRow:
    """One reply, or one trace that was scored or tokenised."""

    about: str  # the prompt or trace, and the dimension or benchmark
    reply: str | None
    reasoning: str | None = None  # if it is kept apart from the reply
    tokens: int | None = None  # of the reply; of the pair, in train
    finish_reason: str | None = None
    result: str = ""  # right, wrong, scores, or why there is none
    good: bool = True  # whether it can be used: parsed, graded, scored, fits
    seconds: float | None = None  # from request to reply; None: a batch of requests was answered together
    usd: float | None = None  # that the reply cost; None: no prices, or the tokens are not known


@dataclass(frozen=True, slots=True)
class PreviewedJob:
    """One job of a stage, on some rows."""

    stage: str
    name: str  # of the job: judge/g0/logic
    model: str | None
    template: str | None = None  # the file of the prompt's template
    prompt: str | None = None  # the first one
    rendered: bool = False  # whether the prompt is what the model sees; else it is the messages that its server gets
    rows: Sequence[PreviewedRow] = ()
    asked: int = 0  # requests that were made now
    kept: bool = False  # whether the replies are in the study's record: the run will not ask them again
    seconds: float | None = None  # of the job, with its start
    at_once: int = 1  # requests that a run has in flight
    facts: Mapping[str, str] = field(default_factory=dict)  # more, in words
    not_asked: str | None = None  # why nothing was asked
