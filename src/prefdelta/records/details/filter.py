"""Details in the manifest of filter."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from prefdelta.records.details.contract import OMITTED


@dataclass(frozen=True, slots=True)
class TieCounts:
    """How much of a selection by delta, score or log-probability is decided by it, and how much drawn among equals."""

    k: int  # pairs of the selection
    cut: float  # value of the last pair taken: score points, or nats per token
    above: int  # pairs with a better value than the cut; all are taken
    tied: int  # pairs whose value is the cut
    drawn: int  # tied pairs that were taken by lottery; 0 if all tied pairs were taken

    @property
    def drawn_share(self) -> float:
        """Drawn pairs / k."""
        return self.drawn / self.k


@dataclass(frozen=True, slots=True)
class CovariateBalance:
    """How alike a top set and another set are in one respect.

    `covariate`: length (of the chosen trace minus the rejected one), chosen_right, rejected_right (shares), pass_rate
    (of the rejected generator's traces for the prompt). Pairs for which it is not known do not count.
    """

    covariate: str
    matched_on: bool
    top: float  # mean
    matched: float  # mean
    others: float  # mean of all pairs outside of the top set
    before: float | None  # standardised mean difference: top minus others. None: sets that differ, but do not vary
    after: float | None  # the same of top minus matched, in the same unit


@dataclass(frozen=True, slots=True)
class MatchQuality:
    """How alike a top set and the pairs that were matched to it are."""

    k: int  # pairs of the top set, each with a match
    others: int  # pairs outside of the top set, from which the matches were taken
    alike: int  # matches that are equal to their pair in all that is matched, of which nothing is unknown
    far: int  # matches that differ from their pair by more than 0.25 standard deviations in something that is matched
    unit: str  # of length: tokens or characters
    balance: Sequence[CovariateBalance]


@dataclass(frozen=True, slots=True)
class FilterDetails:
    # Of a selection by a value; for `matched`, of the top set that it matches.
    ties: TieCounts | None = field(default=None, metadata=OMITTED)
    match: MatchQuality | None = field(default=None, metadata=OMITTED)  # of `matched` alone
