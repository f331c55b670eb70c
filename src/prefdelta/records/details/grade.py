"""Details in the manifest of grade."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prefdelta.records.details.contract import OMITTED


@dataclass(frozen=True, slots=True)
class SourceAgreement:
    """Our grades against those that a data set ships with its traces: number of traces in each case."""

    both_right: int
    both_wrong: int
    only_ours: int  # right only by our grade
    only_theirs: int

    @property
    def total(self) -> int:
        return self.both_right + self.both_wrong + self.only_ours + self.only_theirs


@dataclass(frozen=True, slots=True)
class GradeDetails:
    correct: int | None = None  # traces
    # Reason why the grader failed -> number of traces.
    grader_said: Mapping[str, int] | None = field(default=None, metadata=OMITTED)
    source_agreement: SourceAgreement | None = field(default=None, metadata=OMITTED)
