"""Details in the manifest of filter."""

from dataclasses import dataclass, field

from prefdelta.records.details.contract import OMITTED


@dataclass(frozen=True, slots=True)
class TieCounts:
    """How much of a selection by delta the deltas decide, and how much is drawn among pairs of equal delta."""

    k: int  # pairs of the selection
    cut: float  # score points: the delta of the last pair taken
    above: int  # pairs with a better delta than the cut; all are taken
    tied: int  # pairs whose delta is the cut
    drawn: int  # tied pairs that were taken by lottery; 0 if all tied pairs were taken

    @property
    def drawn_share(self) -> float:
        """Drawn pairs / k."""
        return self.drawn / self.k


@dataclass(frozen=True, slots=True)
class FilterDetails:
    # Of a selection by delta; for length-matched, of the top set that it matches.
    ties: TieCounts | None = field(default=None, metadata=OMITTED)
