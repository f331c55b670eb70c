"""What the manifest of judge says."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JudgeDetails:
    requests: int | None = None  # with the repeated ones, recorded or made now
    unparseable: Mapping[str, int] = field(default_factory=dict)  # failure of a verdict -> verdicts
    mean_tokens: float | None = None  # of a reply
    models: Mapping[str, int] = field(default_factory=dict)  # model as the replies name it -> replies
