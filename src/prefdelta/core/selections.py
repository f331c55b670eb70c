"""Selections: which pairs an arm trains on. Their names are their definition.

`all` · `swapped` (all pairs, chosen and rejected exchanged: a control that must hurt) · `top-<dimension>-<k>` (largest
sample deltas) · `random-<k>-s<seed>` (the control at equal budget).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import fraction
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair

_FORMS = (
    re.compile(r"(?P<kind>all|swapped)"),
    re.compile(r"(?P<kind>top)-(?P<dimension>[a-z][a-z0-9_]*)-(?P<k>[1-9][0-9]*)"),
    re.compile(r"(?P<kind>random)-(?P<k>[1-9][0-9]*)-s(?P<seed>0|[1-9][0-9]*)"),
)
ALLOWED = "all, swapped, top-<dimension>-<k>, random-<k>-s<seed> (k a whole number from 1)"


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection's name taken apart."""

    name: str
    kind: str
    dimension: str | None = None
    k: int | None = None
    seed: int | None = None


def parse_selection(name: str) -> Selection:
    """Read a selection's name. Raises StudyError if it has none of the known forms."""
    for form in _FORMS:
        if found := form.fullmatch(name):
            parts = found.groupdict()
            numbers = {key: int(parts[key]) for key in ("k", "seed") if parts.get(key)}
            return Selection(name, parts["kind"], parts.get("dimension"), **numbers)
    raise StudyError(f"selection {name!r} is not known; allowed: {ALLOWED}.")


def select(
    selection: Selection, pairs: Iterable[Pair], deltas: Mapping[str, Delta], tie_seed: int
) -> list[SelectedPair]:
    """The pairs of a selection, best first, from the eligible pool pairs.

    deltas: by pair_id, on the selection's dimension; pairs without a delta are left out. Only `top` looks at them.
    Ties are ordered by a hash of (tie_seed, pair_id), so that neither file order nor ids decide.
    Raises StudyError if fewer than k pairs are there, or none.
    """
    eligible = [pair.pair_id for pair in pairs if pair.pool and pair.eligible]
    # A random draw has an order of its own: the order of ties would favour the pairs that `top` favours.
    draw = ("ties", tie_seed) if selection.seed is None else ("random", selection.seed)
    order = {pair_id: fraction(*draw, pair_id) for pair_id in eligible}
    if selection.kind == "top":
        gaps = {pair_id: row.delta for pair_id, row in deltas.items() if row.delta is not None}
        candidates = sorted((p for p in eligible if p in gaps), key=lambda p: (-gaps[p], order[p]))
    else:
        candidates = sorted(eligible, key=order.__getitem__)

    if not candidates:
        raise StudyError(
            f"selection {selection.name!r} has no pairs: of {len(order)} eligible pairs, none can be selected. "
            "The manifests of pair and delta count the reasons."
        )
    if selection.k is not None and selection.k > len(candidates):
        raise StudyError(
            f"selection {selection.name!r} asks for {selection.k} pairs, but only {len(candidates)} are eligible"
            f"{' and judged' if selection.kind == 'top' else ''}. Lower k, or add prompts."
        )
    chosen = candidates[: selection.k]
    swapped = selection.kind == "swapped"
    return [SelectedPair(pair_id, rank, swapped) for rank, pair_id in enumerate(chosen)]
