"""What the manifest of grade says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prefdelta.records.details.contract import OMITTED


@dataclass(frozen=True, slots=True)
class SourceAgreement:
    """Our grades against those that a data set ships with its traces: how many traces fall into each case."""

    both_right: int
    both_wrong: int
    only_ours: int  # right by our grade only
    only_theirs: int

    @property
    def total(self) -> int:
        return self.both_right + self.both_wrong + self.only_ours + self.only_theirs


@dataclass(frozen=True, slots=True)
class GradeDetails:
    correct: int | None = None  # traces
    # Reason for which the grader failed -> traces.
    grader_said: Mapping[str, int] | None = field(default=None, metadata=OMITTED)
    source_agreement: SourceAgreement | None = field(default=None, metadata=OMITTED)
