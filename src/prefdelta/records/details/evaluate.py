"""Details in the manifest of evaluate: accuracies as counts, by our rule and by a benchmark's own rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prefdelta.records.details.contract import OMITTED


@dataclass(frozen=True, slots=True)
class UpstreamCounts:
    """Numbers of answers by a benchmark's own rule, if our grader has another rule."""

    solved: int  # counted answers that are right by the benchmark's rule
    counted: int
    differ: int  # answers for which our grader disagrees


@dataclass(frozen=True, slots=True)
class EvaluateDetails:
    # Arm or base -> benchmark -> (solved, counted).
    solved_of_counted: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    mean_tokens: float | None = None  # per answer
    # Arm or base -> benchmark -> counts.
    by_upstreams_rule: Mapping[str, Mapping[str, UpstreamCounts]] | None = field(default=None, metadata=OMITTED)
    # Reason why a grader failed -> number of answers.
    grader_said: Mapping[str, int] | None = field(default=None, metadata=OMITTED)
