"""Selections: which pairs an arm trains on. A selection's name is its definition; `KINDS` lists the forms of names."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from prefdelta.core.errors import StudyError
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
from prefdelta.core.pairs.selection_kinds.selection import Pool
from prefdelta.core.pairs.selection_kinds.selection import Selection as Selection
from prefdelta.core.pairs.selection_kinds.swapped import Swapped, SwappedCommon
from prefdelta.core.pairs.selection_kinds.top import Top
from prefdelta.core.settings import Settings
from prefdelta.records.delta import Delta
from prefdelta.records.details.filter import MatchQuality, TieCounts
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair

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
    pass_rates: Mapping[str, float] = _NOTHING,
    logps: Mapping[str, float] = _NOTHING,
    checked: bool = True,
) -> list[SelectedPair]:
    """The pairs of a selection, best first.

    pairs: of one pairing; the eligible pool pairs count, and for a cell the eligible pairs of all cells.
    deltas: by pair_id, on the selection's dimension; none for a selection that names no dimension.
    tie_seed, order: equal pairs are ordered by a hash of (what the selection goes by, tie_seed, order, pair_id).
    common: the prompts that all pairings of the selection's set share; none for a selection that names no set.
    limit: largest number of prompts of a common set or of a cell; all its pairings, or all cells, get the same ones.
    pass_rates: by prompt_id, the share of the rejected generator's traces that are right; for a selection that MATCHES.
    logps: by pair_id, nats per token of the rejected trace under the selection's policy; none if it names no policy.
    checked: refuse pairs that are not what the kind promises; planted ones, of which only counts matter, need not be.
    Raises StudyError if there are no pairs, or fewer than k; if it matches, also if fewer than k are outside of the top
    set, or if what they are matched on is not known.
    """
    pool = _pool(selection, pairs, deltas, tie_seed, common, limit, order, pass_rates, logps)
    candidates = selection.candidates(pool)
    if not candidates:
        raise StudyError(
            f"selection {selection.name!r} has no pairs: of {len(pool.eligible)} eligible pairs, none can be selected. "
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
    return [SelectedPair(pair_id, rank, selection.SWAPS) for rank, pair_id in enumerate(taken)]


def count_ties(
    selection: Selection,
    pairs: Sequence[Pair],
    deltas: Mapping[str, Delta],
    *,
    logps: Mapping[str, float] = _NOTHING,
) -> TieCounts | None:
    """How much of a selection by a value is drawn among ties, in every order alike; None for any other selection.

    The arguments are those of `select`, which must find k pairs. For `matched`, the counts are of the top set that it
    matches.
    """
    if not isinstance(selection, ByValue) or selection.k is None:
        return None
    pool = _pool(selection, pairs, deltas, logps=logps)
    values = selection.values(pool)
    ranked = [values[pair_id] for pair_id in selection.candidates(pool)]  # best first
    keys = list(map(selection.sort_key, ranked))
    above, tied = keys.index(keys[selection.k - 1]), keys.count(keys[selection.k - 1])
    taken = selection.k - above
    return TieCounts(selection.k, ranked[selection.k - 1], above, tied, drawn=taken if taken < tied else 0)


def describe_match(
    selection: Selection,
    pairs: Sequence[Pair],
    deltas: Mapping[str, Delta],
    tie_seed: int,
    selected: Sequence[SelectedPair],
    *,
    order: int = 0,
    pass_rates: Mapping[str, float] = _NOTHING,
) -> MatchQuality | None:
    """How alike the pairs of a `matched` selection and those of the top set are; None for any other selection.

    selected: what `select` gave for the other arguments.
    """
    if not isinstance(selection, Matched):
        return None
    pool = _pool(selection, pairs, deltas, tie_seed, order=order, pass_rates=pass_rates)
    return selection.quality(selection.candidates(pool), [row.pair_id for row in selected], pool)


def _pool(
    selection: Selection,
    pairs: Sequence[Pair],
    deltas: Mapping[str, Delta],
    tie_seed: int = 0,
    common: Collection[str] = (),
    limit: int | None = None,
    order: int = 0,
    pass_rates: Mapping[str, float] = _NOTHING,
    logps: Mapping[str, float] = _NOTHING,
) -> Pool:
    eligible = {pair.pair_id: pair for pair in pairs if pair.pool and pair.eligible}
    return Pool(
        pairs,
        eligible,
        {pair_id: row for pair_id, row in deltas.items() if row.delta is not None and pair_id in eligible},
        tie_seed,
        common,
        limit,
        selection.draw,
        order,
        pass_rates,
        {pair_id: value for pair_id, value in logps.items() if pair_id in eligible},
    )


def _known(selection: Selection) -> str:
    """What a pair must have, besides being eligible."""
    if selection.policy:
        return f" and have a log-probability under {selection.policy}"
    return " and judged" if selection.dimension else ""
