"""Columns of tables, and joins by prompt and sample.

Tables are sorted by both, so that two tables of the same prompts are joined without a search.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_AT_ONCE = 65_536


def column(table: "pa.Table", name: str) -> "pa.Array":
    """A column in one piece."""
    import pyarrow as pa

    whole = table.column(name).combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def numbers(table: "pa.Table", name: str, missing: int = -1) -> "NDArray[np.int64]":
    """A column of whole numbers, or of True and False as 1 and 0, with a number that stands for null."""
    import pyarrow as pa

    filled: NDArray[np.int64] = column(table, name).cast(pa.int64()).fill_null(missing).to_numpy()
    return filled


def values(array: "pa.Array") -> Iterator[Any]:
    """The values of an array, made into objects a part at a time."""
    for begin in range(0, len(array), _AT_ONCE):
        yield from array.slice(begin, _AT_ONCE).to_pylist()


def begins(ids: "pa.Array") -> "NDArray[np.bool_]":
    """Whether an id differs from the one before it."""
    import numpy as np
    import pyarrow.compute as pc

    first = np.ones(len(ids), bool)
    if len(ids) > 1:
        first[1:] = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
    return first


def places(ids: "pa.Array", among: "pa.Array") -> "NDArray[np.int64]":
    """Where each id is among others, of which no two are equal; -1 for one that is not there."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if ids.equals(among):
        return np.arange(len(among))
    first = begins(ids)
    distinct = ids.filter(pa.array(first))
    if distinct.equals(among):
        place = np.arange(len(among))
    else:
        place = pc.index_in(distinct, value_set=among).cast(pa.int64()).fill_null(-1).to_numpy()
    of_ids: NDArray[np.int64] = place[np.cumsum(first) - 1]
    return of_ids


def sorted_places(ids: "pa.Array") -> "tuple[pa.Array, NDArray[np.int64]]":
    """(The different ids in their order, where each id is among these)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    order = pc.sort_indices(ids).to_numpy()
    in_order = ids.take(pa.array(order))
    first = begins(in_order)
    place = np.empty(len(ids), np.int64)
    place[order] = np.cumsum(first) - 1
    return in_order.filter(pa.array(first)), place


def rows_at(
    place: "NDArray[np.int64]",
    sample: "NDArray[np.int64]",
    of_place: "NDArray[np.int64]",
    of_sample: "NDArray[np.int64]",
) -> "NDArray[np.int64]":
    """For each (place of a prompt, sample) the last row of another table that has both; -1 where none has.

    A negative place or sample is in no row.
    """
    import numpy as np

    if np.array_equal(place, of_place) and np.array_equal(sample, of_sample) and increasing(place, sample):
        return np.where((place >= 0) & (sample >= 0), np.arange(len(place)), -1)
    kept = np.flatnonzero((of_place >= 0) & (of_sample >= 0))
    if not len(kept):
        return np.full(len(place), -1)
    samples = np.unique(of_sample[kept])
    number = np.minimum(np.searchsorted(samples, sample), len(samples) - 1)
    known = (place >= 0) & (samples[number] == sample)
    rows = np.full((max(place.max(initial=0), of_place.max()) + 1) * len(samples), -1)
    rows[of_place[kept] * len(samples) + np.searchsorted(samples, of_sample[kept])] = kept  # of several rows the last
    return np.where(known, rows[np.where(known, place * len(samples) + number, 0)], -1)


def increasing(place: "NDArray[np.int64]", sample: "NDArray[np.int64]") -> bool:
    """Whether the rows are sorted by both, and no two are equal."""
    ahead = (place[1:] > place[:-1]) | ((place[1:] == place[:-1]) & (sample[1:] > sample[:-1]))
    return bool(ahead.all())
