"""The pairs of a pairing with their deltas, scores and ranks, joined by pair_id."""

from collections.abc import Collection
from dataclasses import dataclass, field

from prefdelta.commands.looking.results import Results, unknown
from prefdelta.commands.looking.selected import orders_of
from prefdelta.commands.pairs.conditions import Value
from prefdelta.core.arms import Pairing
from prefdelta.core.errors import StudyError
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair


@dataclass(frozen=True, slots=True)
class PairRow:
    pairing: str
    pair_id: str
    prompt_id: str
    chosen_sample: int | None
    rejected_sample: int | None
    pool: bool
    eligible: bool
    reason: str | None
    cell: str | None
    chosen_correct: bool | None
    rejected_correct: bool | None
    chosen_tokens: int | None
    rejected_tokens: int | None
    length: int | None  # tokens of chosen minus rejected
    deltas: dict[str, float | None] = field(default_factory=dict)  # of the study's composites, and those asked for
    chosen_scores: dict[str, float | None] = field(default_factory=dict)
    rejected_scores: dict[str, float | None] = field(default_factory=dict)
    ranks: dict[str, int | None] = field(default_factory=dict)  # by selection, from 0; only those asked for


PLAIN = (
    "pair_id",
    "prompt_id",
    "pool",
    "eligible",
    "reason",
    "cell",
    "chosen_correct",
    "rejected_correct",
    "chosen_tokens",
    "rejected_tokens",
    "length",
)
_MAPPINGS = {"delta": "deltas", "chosen": "chosen_scores", "rejected": "rejected_scores", "rank": "ranks"}


def value_of(row: PairRow, key: str) -> Value:
    """The value of a key that was read."""
    first, colon, name = key.partition(":")
    if colon:
        value: Value = getattr(row, _MAPPINGS[first]).get(name)
        return value
    plain: Value = getattr(row, key)
    return plain


def read_rows(results: Results, pairing: Pairing, keys: Collection[str]) -> list[PairRow]:
    """All pairs of a pairing, by pair_id. keys: what is sorted by or asked for.

    Raises StudyError for a key that does not exist, or whose table is not there yet.
    """
    wanted = _wanted(results, pairing, keys)
    dimensions = list(dict.fromkeys([*wanted["delta"], *wanted["chosen"], *wanted["rejected"]]))
    there = {place.axes["dimension"] for place in results.tables.places("delta", **pairing.axes)}
    always = [name for name in results.study.config.delta.composites if name in there]
    rows = {pair.pair_id: _row(pairing, pair) for pair in results.tables.rows("pair", Pair, None, **pairing.axes)}
    for dimension in dict.fromkeys([*dimensions, *always]):
        for delta in results.tables.rows("delta", Delta, None, **pairing.axes, dimension=dimension):
            row = rows[delta.pair_id]
            row.deltas[dimension] = delta.delta
            row.chosen_scores[dimension] = delta.chosen_score
            row.rejected_scores[dimension] = delta.rejected_score
    for selection in wanted["rank"]:
        axes = _first_order(results, pairing, selection)
        for row in rows.values():
            row.ranks[selection] = None
        for taken in results.tables.rows("filter", SelectedPair, None, **axes):
            rows[taken.pair_id].ranks[selection] = taken.rank
    return [rows[pair_id] for pair_id in sorted(rows)]


def _row(pairing: Pairing, pair: Pair) -> PairRow:
    known = pair.chosen_tokens is not None and pair.rejected_tokens is not None
    return PairRow(
        pairing=str(pairing),
        pair_id=pair.pair_id,
        prompt_id=pair.prompt_id,
        chosen_sample=pair.chosen_sample,
        rejected_sample=pair.rejected_sample,
        pool=pair.pool,
        eligible=pair.eligible,
        reason=pair.reason,
        cell=pair.cell,
        chosen_correct=pair.chosen_correct,
        rejected_correct=pair.rejected_correct,
        chosen_tokens=pair.chosen_tokens,
        rejected_tokens=pair.rejected_tokens,
        length=(pair.chosen_tokens or 0) - (pair.rejected_tokens or 0) if known else None,
    )


def _wanted(results: Results, pairing: Pairing, keys: Collection[str]) -> dict[str, list[str]]:
    """Kind of key -> names, of the keys that have a colon. Raises StudyError for a key that does not exist."""
    deltas = [
        job.axes["dimension"]
        for job in results.study.jobs("delta")
        if (job.axes["chosen"], job.axes["rejected"]) == (pairing.chosen, pairing.rejected)
    ]
    wanted: dict[str, list[str]] = {kind: [] for kind in _MAPPINGS}
    for key in keys:
        kind, colon, name = key.partition(":")
        if not colon and key in PLAIN:
            continue
        if not colon or kind not in _MAPPINGS:
            raise StudyError(
                f"{key!r} is nothing that pairs have. Allowed: {', '.join(PLAIN)}, and with a name behind the colon "
                f"{', '.join(f'{known}:' for known in _MAPPINGS)}."
            )
        if kind != "rank" and name not in deltas:
            raise unknown(f"delta of {pairing}", name, deltas)
        wanted[kind].append(name)
    return wanted


def _first_order(results: Results, pairing: Pairing, selection: str) -> dict[str, str]:
    """The axes of a selection in its first order. Raises StudyError if the pairing has no such selection."""
    found = [(place, order) for place, _, order in orders_of(results, pairing)]
    axes = next((dict(place.axes) for place, order in found if order.selection == selection), None)
    if axes is None:
        raise unknown(f"selection of {pairing}", selection, sorted({order.selection for _, order in found}))
    return axes
