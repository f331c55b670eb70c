"""Selections: which pairs an arm trains on. Their names are their definition.

`all` · `swapped` (all pairs, chosen and rejected exchanged: a control that must hurt) · `top-<dimension>-<k>` (largest
sample deltas) · `bottom-<dimension>-<k>` (smallest) · `random-<k>-s<seed>` (the control at equal budget) ·
`length-matched-<dimension>-<k>` (random pairs with the length differences of the top k: is it just length? In tokens,
or in characters if a trace has no token count) ·
`cell-<right|wrong>-<right|wrong>` (chosen and rejected by correctness, on the prompts where all four cells exist) ·
`common-<set>` (the prompts that are eligible in every pairing of a set that the config names).
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import quantiles
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import fraction
from prefdelta.core.pairs.lengths import length_differences
from prefdelta.core.settings import Settings
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair

_DIMENSION = r"(?P<dimension>[a-z][a-z0-9_]*)"
_K = r"(?P<k>[1-9][0-9]*)"
_FORMS = (
    re.compile(r"(?P<kind>all|swapped)"),
    re.compile(rf"(?P<kind>top|bottom|length-matched)-{_DIMENSION}-{_K}"),
    re.compile(rf"(?P<kind>random)-{_K}-s(?P<seed>0|[1-9][0-9]*)"),
    re.compile(r"(?P<kind>cell)-(?P<cell>(right|wrong)-(right|wrong))"),
    re.compile(r"(?P<kind>common)-(?P<set>[a-z][a-z0-9_]*)"),
)
ALLOWED = (
    "all, swapped, top-<dimension>-<k>, bottom-<dimension>-<k>, length-matched-<dimension>-<k>, random-<k>-s<seed>, "
    "cell-<right|wrong>-<right|wrong>, common-<set> (k a whole number from 1)"
)
N_CELLS = 4
STRATA = 10  # of length differences, with equally many eligible pairs each


class CommonSet(Settings):
    """Pairings that one figure compares, so on the same prompts and with equal numbers of pairs."""

    pairings: list[str]
    """Pairings <chosen generator>~<rejected generator> that are compared. Adding one retrains all arms of the set,
    because their prompts change."""

    pairs: int | None = None
    """Largest number of pairs, on the same prompts for every pairing. Default: all that are eligible in every
    pairing."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection's name taken apart."""

    name: str
    kind: str
    dimension: str | None = None
    k: int | None = None
    seed: int | None = None
    cell: str | None = None
    set: str | None = None


def parse_selection(name: str) -> Selection:
    """Read a selection's name. Raises StudyError if it has none of the known forms."""
    for form in _FORMS:
        if found := form.fullmatch(name):
            parts = found.groupdict()
            numbers = {key: int(parts[key]) for key in ("k", "seed") if parts.get(key)}
            words = {key: parts[key] for key in ("dimension", "cell", "set") if parts.get(key)}
            given: dict[str, Any] = {**words, **numbers}
            return Selection(name, parts["kind"], **given)
    raise StudyError(f"selection {name!r} is not known; allowed: {ALLOWED}.")


def select(
    selection: Selection,
    pairs: Sequence[Pair],
    deltas: Mapping[str, Delta],
    tie_seed: int,
    common: Collection[str] = (),
    limit: int | None = None,
) -> list[SelectedPair]:
    """The pairs of a selection, best first.

    pairs: of one pairing; the eligible pool pairs count, and for `cell` the eligible pairs of all cells.
    deltas: by pair_id, on the selection's dimension; only selections that name one look at them, and they leave out
    pairs without a delta.
    common: for `common`, the prompts that all pairings of its set share.
    limit: for `common` and `cell`, how many prompts are taken at most; the same ones for all pairings, or all cells.
    Ties are ordered by a hash of (tie_seed, pair_id), so that neither file order nor ids decide.
    Raises StudyError if fewer than k pairs are there, or none; for `length-matched`, if a pair has no length.
    """
    eligible = {pair.pair_id: pair for pair in pairs if pair.pool and pair.eligible}
    # A random draw has an order of its own: the order of ties would favour the pairs that `top` favours.
    draw = ("ties", tie_seed) if selection.seed is None else ("random", selection.seed)
    order = {pair_id: fraction(*draw, pair_id) for pair_id in eligible}
    gaps = {pair_id: row.delta for pair_id, row in deltas.items() if row.delta is not None and pair_id in eligible}
    match selection.kind:
        case "top" | "length-matched":
            candidates = sorted(gaps, key=lambda pair_id: (-gaps[pair_id], order[pair_id]))
        case "bottom":
            candidates = sorted(gaps, key=lambda pair_id: (gaps[pair_id], order[pair_id]))
        case "cell":
            candidates = _cell(pairs, str(selection.cell), tie_seed)[:limit]
        case "common":
            shared = [pair for pair in eligible.values() if pair.prompt_id in common]
            # By prompt, not by pair: every pairing of the set takes the same prompts.
            shared.sort(key=lambda pair: fraction("ties", tie_seed, pair.prompt_id))
            candidates = [pair.pair_id for pair in shared[:limit]]
        case _:
            candidates = sorted(eligible, key=order.__getitem__)
    if not candidates:
        raise StudyError(
            f"selection {selection.name!r} has no pairs: of {len(order)} eligible pairs, none can be selected. "
            "The manifests of pair and delta count the reasons."
        )
    if selection.k is not None and selection.k > len(candidates):
        raise StudyError(
            f"selection {selection.name!r} asks for {selection.k} pairs, but only {len(candidates)} are eligible"
            f"{' and judged' if selection.dimension else ''}. Lower k, or add prompts."
        )
    chosen = candidates[: selection.k]
    if selection.kind == "length-matched":
        chosen = _length_matched([eligible[pair_id] for pair_id in candidates], chosen, tie_seed)
    swapped = selection.kind == "swapped"
    return [SelectedPair(pair_id, rank, swapped) for rank, pair_id in enumerate(chosen)]


def common_prompts(pairings: Iterable[Iterable[Pair]]) -> set[str]:
    """The prompts whose pool pair is eligible in every one of some pairings."""
    sets = [{pair.prompt_id for pair in pairs if pair.pool and pair.eligible} for pairs in pairings]
    return set.intersection(*sets) if sets else set()


def _cell(pairs: Iterable[Pair], cell: str, tie_seed: int) -> list[str]:
    """Pairs of one cell, one per prompt, from the prompts that have an eligible pair in all four."""
    rows = sorted((pair for pair in pairs if pair.eligible and pair.cell), key=lambda pair: pair.prompt_id)
    found: dict[str, str] = {}
    for prompt_id, of_prompt in groupby(rows, key=lambda pair: pair.prompt_id):
        by_cell = {pair.cell: pair.pair_id for pair in of_prompt}
        if len(by_cell) == N_CELLS:
            found[prompt_id] = by_cell[cell]
    order = sorted(found, key=lambda prompt_id: fraction("ties", tie_seed, prompt_id))
    return [found[prompt_id] for prompt_id in order]


def _length_matched(eligible: Sequence[Pair], top: Collection[str], seed: int) -> list[str]:
    """As many random pairs as `top` has from every stratum of length difference (chosen minus rejected)."""
    differences, unit = length_differences(eligible)
    if lacking := [pair.pair_id for pair in eligible if pair.pair_id not in differences]:
        raise StudyError(
            f"length-matched needs the lengths of both traces of all {len(eligible)} eligible and judged pairs, but "
            f"{len(lacking)} lack them in {unit} ({lacking[0]} first). Make the table of pairs anew, or select by "
            "random-<k>-s<seed> instead."
        )
    ends = quantiles(differences.values(), n=STRATA) if len(differences) > 1 else []
    stratum = {pair_id: bisect_right(ends, difference) for pair_id, difference in differences.items()}
    wanted = Counter(stratum[pair_id] for pair_id in top)
    drawn = []
    for pair_id in sorted(stratum, key=lambda pair_id: fraction("length-matched", seed, pair_id)):
        if wanted[stratum[pair_id]] > 0:
            wanted[stratum[pair_id]] -= 1
            drawn.append(pair_id)
    return drawn
