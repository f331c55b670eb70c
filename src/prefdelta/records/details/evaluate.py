"""What the manifest of evaluate says: accuracies as counts, by our rule and by a benchmark's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prefdelta.records.details.contract import OMITTED


@dataclass(frozen=True, slots=True)
class UpstreamCounts:
    """Answers by a benchmark's own rule, where our grader has another one."""

    solved: int  # of those that are counted, right by the benchmark's rule
    counted: int
    differ: int  # that our grader gives another verdict


@dataclass(frozen=True, slots=True)
class EvaluateDetails:
    # Arm or base -> benchmark -> (solved, counted).
    solved_of_counted: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    mean_tokens: float | None = None  # of an answer
    # Arm or base -> benchmark -> counts.
    by_upstreams_rule: Mapping[str, Mapping[str, UpstreamCounts]] | None = field(default=None, metadata=OMITTED)
    # Reason for which a grader failed -> answers.
    grader_said: Mapping[str, int] | None = field(default=None, metadata=OMITTED)
