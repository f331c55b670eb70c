"""Details in the manifest of judge."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JudgeDetails:
    requests: int | None = None  # recorded or made now, with repeated requests
    unparseable: Mapping[str, int] = field(default_factory=dict)  # failure of a verdict -> number of verdicts
    votes_lost: Mapping[str, int] = field(default_factory=dict)  # of these, the votes on traces that have other votes
    mean_tokens: float | None = None  # per reply
    models: Mapping[str, int] = field(default_factory=dict)  # name of the model in replies -> number of replies
