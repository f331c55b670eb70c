"""Selections: which pairs an arm trains on. A selection's name is its definition; `KINDS` lists the forms of names."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.joining import column, places
from prefdelta.core.pairs.selection_kinds.alike import Alike, RightOverWrong
from prefdelta.core.pairs.selection_kinds.all import All
from prefdelta.core.pairs.selection_kinds.bottom import Bottom
from prefdelta.core.pairs.selection_kinds.by_score import LowRejected, TopChosen
from prefdelta.core.pairs.selection_kinds.by_value import ByValue
from prefdelta.core.pairs.selection_kinds.cell import CorrectnessCell
from prefdelta.core.pairs.selection_kinds.common import Common
from prefdelta.core.pairs.selection_kinds.likely_rejected import LikelyRejected, UnlikelyRejected
from prefdelta.core.pairs.selection_kinds.matched import Matched
from prefdelta.core.pairs.selection_kinds.random import RandomPairs
from prefdelta.core.pairs.selection_kinds.selection import COLUMNS, Pool
from prefdelta.core.pairs.selection_kinds.selection import Selection as Selection
from prefdelta.core.pairs.selection_kinds.swapped import Swapped, SwappedCommon
from prefdelta.core.pairs.selection_kinds.top import Top
from prefdelta.core.settings import Settings
from prefdelta.records.details.filter import MatchQuality, TieCounts

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

# No name has the form of two kinds.
KINDS: tuple[type[Selection], ...] = (
    All,
    Swapped,
    Top,
    Bottom,
    TopChosen,
    LowRejected,
    Matched,
    LikelyRejected,
    UnlikelyRejected,
    Alike,
    RightOverWrong,
    RandomPairs,
    CorrectnessCell,
    Common,
    SwappedCommon,
)
_NOTHING: Mapping[str, float] = MappingProxyType({})
DELTA_COLUMNS = ("pair_id", "delta", "chosen_score", "rejected_score")
ALLOWED = f"{', '.join(kind.FORM for kind in KINDS)} (k a whole number from 1)"


class CommonSet(Settings):
    """Pairings that one figure compares, on the same prompts and with equal numbers of pairs."""

    pairings: list[str]
    """Pairings <chosen generator>~<rejected generator> that are compared. Adding one retrains all arms of the set,
    because their prompts change. Another draw of traces has common prompts of its own, without the pairings that
    cannot be drawn again."""

    pairs: int | None = None
    """Largest number of pairs, on the same prompts for every pairing. Default: all that are eligible in every
    pairing."""


def parse_selection(name: str) -> Selection:
    """The selection of a name. Raises StudyError if no kind has a form that fits the name."""
    for kind in KINDS:
        if (selection := kind.parse(name)) is not None:
            return selection
    raise StudyError(f"selection {name!r} is not known; allowed: {ALLOWED}.")


def select(
    selection: Selection,
    pairs: "pa.Table",
    deltas: "pa.Table | None" = None,
    *,
    tie_seed: int,
    common: "Collection[str] | pa.Array" = (),
    limit: int | None = None,
    order: int = 0,
    pass_rates: Mapping[str, float] = _NOTHING,
    logps: Mapping[str, float] = _NOTHING,
    checked: bool = True,
) -> "Selected":
    """The pairs of a selection.

    pairs: of one pairing, the columns `columns_of` the selection; the eligible pool pairs count, and for a cell the
    eligible pairs of all cells.
    deltas: the columns DELTA_COLUMNS of Delta, on the selection's dimension; None for a selection that names none.
    tie_seed, order: equal pairs are ordered by a hash of (what the selection goes by, tie_seed, order, pair_id).
    common: the prompts that all pairings of the selection's set share; none for a selection that names no set.
    limit: largest number of prompts of a common set or of a cell; all its pairings, or all cells, get the same ones.
    pass_rates: by prompt_id, the share of the rejected generator's traces that are right; for a selection that MATCHES.
    logps: by pair_id, nats per token of the rejected trace under the selection's policy; none if it names no policy.
    checked: refuse pairs that are not what the kind promises; planted ones, of which only counts matter, need not be.
    Raises StudyError if there are no pairs, or fewer than k; if it matches, also if fewer than k are outside of the top
    set, or if what they are matched on is not known.
    """
    import numpy as np

    in_pool, eligible = (column(pairs, name).to_numpy(zero_copy_only=False) for name in ("pool", "eligible"))
    eligible = np.flatnonzero(in_pool & eligible)
    values = {} if deltas is None else _aligned(pairs, np.flatnonzero(in_pool), eligible, deltas)
    pool = Pool(pairs, eligible, values, tie_seed, common, limit, selection.draw, order, pass_rates, logps)
    candidates = selection.candidates(pool)
    if not len(candidates):
        raise StudyError(
            f"selection {selection.name!r} has no pairs: of {len(eligible)} eligible pairs, none can be selected. "
            "The manifests of pair and delta count the reasons."
        )
    if selection.k is not None and selection.k > len(candidates):
        raise StudyError(
            f"selection {selection.name!r} asks for {selection.k} pairs, but only {len(candidates)} are eligible"
            f"{_known(selection)}. Lower k, or add prompts."
        )
    taken = selection.take(candidates, pool)
    if checked:
        selection.check(taken, pool)
    return Selected(selection, pool, candidates, taken)


@dataclass(frozen=True, slots=True)
class Selected:
    """What a selection took from a pool."""

    selection: Selection
    pool: Pool
    candidates: "NDArray[np.int64]"  # rows of the pool's pairs
    taken: "NDArray[np.int64]"  # best first

    @property
    def pairs(self) -> "pa.Table":
        """The columns of SelectedPair, best first."""
        import numpy as np
        import pyarrow as pa

        return pa.table(
            {
                "pair_id": column(self.pool.pairs, "pair_id").take(pa.array(self.taken)),
                "rank": np.arange(len(self.taken)),
                "swapped": np.full(len(self.taken), self.selection.SWAPS),
            }
        )

    @property
    def ties(self) -> TieCounts | None:
        """How much of a selection by a value is drawn among ties, in every order alike; None for any other selection.

        For `matched`, the counts are of the top set that it matches.
        """
        if not isinstance(self.selection, ByValue):
            return None
        return self.selection.count_ties(self.candidates, self.pool)

    @property
    def match(self) -> MatchQuality | None:
        """How alike the pairs of a `matched` selection and those of the top set are; None for any other selection."""
        if not isinstance(self.selection, Matched):
            return None
        return self.selection.quality(self.candidates, self.taken, self.pool)


def columns_of(selection: Selection) -> list[str]:
    """The columns of pairs that a selection needs."""
    return list(dict.fromkeys((*COLUMNS, *selection.NEEDS)))


def _aligned(
    pairs: "pa.Table", in_pool: "NDArray[np.int64]", eligible: "NDArray[np.int64]", deltas: "pa.Table"
) -> "dict[str, NDArray[np.float64]]":
    """The deltas and scores of the eligible pairs that have a delta; NaN for all others."""
    import numpy as np
    import pyarrow as pa

    row = np.full(len(pairs), -1)
    row[in_pool] = places(column(pairs, "pair_id").take(pa.array(in_pool)), column(deltas, "pair_id"))
    counts = np.zeros(len(pairs), bool)
    counts[eligible] = True
    values = {name: np.append(deltas.column(name).to_numpy(), np.nan)[row] for name in DELTA_COLUMNS[1:]}
    counts &= ~np.isnan(values["delta"])
    return {name: np.where(counts, of_pairs, np.nan) for name, of_pairs in values.items()}


def _known(selection: Selection) -> str:
    """What a pair must have, besides being eligible."""
    if selection.policy:
        return f" and have a log-probability under {selection.policy}"
    return " and judged" if selection.dimension else ""
