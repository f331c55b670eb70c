"""Selections: which pairs an arm trains on. A selection's name is its definition; `KINDS` lists the forms of names."""

from collections.abc import Collection, Mapping, Sequence

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.selection_kinds.all import All
from prefdelta.core.pairs.selection_kinds.bottom import Bottom
from prefdelta.core.pairs.selection_kinds.by_delta import ByDelta
from prefdelta.core.pairs.selection_kinds.cell import CorrectnessCell
from prefdelta.core.pairs.selection_kinds.common import Common
from prefdelta.core.pairs.selection_kinds.length_matched import LengthMatched
from prefdelta.core.pairs.selection_kinds.random import RandomPairs
from prefdelta.core.pairs.selection_kinds.selection import Pool
from prefdelta.core.pairs.selection_kinds.selection import Selection as Selection
from prefdelta.core.pairs.selection_kinds.swapped import Swapped
from prefdelta.core.pairs.selection_kinds.top import Top
from prefdelta.core.settings import Settings
from prefdelta.records.delta import Delta
from prefdelta.records.details.filter import TieCounts
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair

# No name has the form of two kinds.
KINDS: tuple[type[Selection], ...] = (
    All,
    Swapped,
    Top,
    Bottom,
    LengthMatched,
    RandomPairs,
    CorrectnessCell,
    Common,
)
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
    pairs: Sequence[Pair],
    deltas: Mapping[str, Delta],
    tie_seed: int,
    common: Collection[str] = (),
    limit: int | None = None,
    *,
    order: int = 0,
) -> list[SelectedPair]:
    """The pairs of a selection, best first.

    pairs: of one pairing; the eligible pool pairs count, and for a cell the eligible pairs of all cells.
    deltas: by pair_id, on the selection's dimension; none for a selection that names no dimension.
    tie_seed, order: pairs of equal delta are ordered by a hash of (dimension, tie_seed, order, pair_id).
    common: the prompts that all pairings of the selection's set share; none for a selection that names no set.
    limit: largest number of prompts of a common set or of a cell; all its pairings, or all cells, get the same ones.
    Raises StudyError if there are no pairs, or fewer than k, or (`length-matched`) if a pair has no length.
    """
    pool = _pool(selection, pairs, deltas, tie_seed, common, limit, order)
    candidates = selection.candidates(pool)
    if not candidates:
        raise StudyError(
            f"selection {selection.name!r} has no pairs: of {len(pool.eligible)} eligible pairs, none can be selected. "
            "The manifests of pair and delta count the reasons."
        )
    if selection.k is not None and selection.k > len(candidates):
        raise StudyError(
            f"selection {selection.name!r} asks for {selection.k} pairs, but only {len(candidates)} are eligible"
            f"{' and judged' if selection.dimension else ''}. Lower k, or add prompts."
        )
    taken = selection.take(candidates, pool)
    return [SelectedPair(pair_id, rank, selection.SWAPS) for rank, pair_id in enumerate(taken)]


def count_ties(selection: Selection, pairs: Sequence[Pair], deltas: Mapping[str, Delta]) -> TieCounts | None:
    """How much of a selection by delta is drawn among ties, in every order alike; None for any other selection.

    The arguments are those of `select`, which must find k pairs. For `length-matched`, the counts are of the top set
    that it matches.
    """
    if not isinstance(selection, ByDelta) or selection.k is None:
        return None
    pool = _pool(selection, pairs, deltas)
    ranked = [pool.deltas[pair_id] for pair_id in selection.candidates(pool)]  # best first
    keys = list(map(selection.sort_key, ranked))
    above, tied = keys.index(keys[selection.k - 1]), keys.count(keys[selection.k - 1])
    taken = selection.k - above
    return TieCounts(selection.k, ranked[selection.k - 1], above, tied, drawn=taken if taken < tied else 0)


def _pool(
    selection: Selection,
    pairs: Sequence[Pair],
    deltas: Mapping[str, Delta],
    tie_seed: int = 0,
    common: Collection[str] = (),
    limit: int | None = None,
    order: int = 0,
) -> Pool:
    eligible = {pair.pair_id: pair for pair in pairs if pair.pool and pair.eligible}
    known = {pair_id: row.delta for pair_id, row in deltas.items() if row.delta is not None and pair_id in eligible}
    return Pool(pairs, eligible, known, tie_seed, common, limit, selection.dimension, order)
