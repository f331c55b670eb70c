"""The pairs of a pairing as columns: what the browser filters and sorts by."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_AS_THEY_ARE = (
    *("pair_id", "chosen_sample", "rejected_sample", "cell", "reason"),
    *("chosen_tokens", "rejected_tokens", "chosen_characters", "rejected_characters"),
)
_TRUTHS = ("pool", "eligible", "chosen_correct", "rejected_correct")


def pair_columns(
    pairs: "pa.Table", prompt_ids: "pa.Array", deltas: Mapping[str, "pa.Table | None"], selections: Sequence["pa.Table"]
) -> dict[str, Any]:
    """Name -> column, one value per pair in the order of `pairs`.

    pairs: a table of Pair. prompt_ids: number -> prompt. deltas: dimension -> table of Delta; None: its deltas are not
    computed for these pairs. selections: tables of SelectedPair.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: dict[str, Any] = {name: pairs.column(name).to_pylist() for name in _AS_THEY_ARE}
    columns |= {name: pairs.column(name).cast(pa.int8()).to_pylist() for name in _TRUTHS}
    columns["prompt"] = pc.index_in(pairs.column("prompt_id"), value_set=prompt_ids).to_pylist()
    ids = pairs.column("pair_id")
    for name, column in (("deltas", "delta"), ("chosen_scores", "chosen_score"), ("rejected_scores", "rejected_score")):
        columns[name] = {dimension: _values(ids, table, column) for dimension, table in deltas.items()}
    columns["ranks"] = {str(number): _ranks(ids, table) for number, table in enumerate(selections)}
    return columns


def _values(ids: "pa.ChunkedArray", table: "pa.Table | None", column: str) -> list[float | None]:
    """A column of a table of deltas, by pair: None for a pair that the table lacks."""
    import pyarrow.compute as pc

    if table is None:
        return [None] * len(ids)

    places = pc.index_in(ids, value_set=table.column("pair_id").combine_chunks())
    values: list[float | None] = table.column(column).combine_chunks().take(places).to_pylist()
    return values


def _ranks(ids: "pa.ChunkedArray", table: "pa.Table") -> list[list[int]]:
    """[row of the pair, rank, swapped] of each selected pair, best rank first."""
    import pyarrow.compute as pc

    rows = pc.index_in(table.column("pair_id"), value_set=ids.combine_chunks()).to_pylist()
    found = zip(rows, table.column("rank").to_pylist(), table.column("swapped").to_pylist(), strict=True)
    return [[row, rank, int(swapped)] for row, rank, swapped in found]
