"""The rows of a training as columns, from which TRL's trainers read."""

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

from prefdelta.training.micro_batches import Row

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

_AT_ONCE = 32  # rows that are turned into columns together: few, so that memory for their lists stays small


def dataset_of(rows: Iterable[Row]) -> "Dataset":
    """The data set of at least one row; a list in a row holds token ids, or labels.

    A token id takes 4 bytes, where a list takes 36 and the data set's own `from_list` 8. Rows are not kept.
    """
    import pyarrow as pa
    from datasets import Dataset
    from datasets.fingerprint import generate_random_fingerprint

    remaining, parts = iter(rows), []
    while part := list(islice(remaining, _AT_ONCE)):
        columns = {name: [row[name] for row in part] for name in part[0]}
        arrays = [lists(of) if isinstance(of[0], list) else pa.array(of) for of in columns.values()]
        parts.append(pa.table(arrays, names=list(columns)))
    return Dataset(pa.concat_tables(parts), fingerprint=generate_random_fingerprint())  # else it would hash all rows


def lists(of_rows: Sequence[list[int]]) -> "pa.ListArray":
    """Lists of token ids as a column of int32; `pa.array` would take half as long again, and more memory."""
    import numpy as np
    import pyarrow as pa

    offsets = np.cumsum([0, *map(len, of_rows)], dtype=np.int32)
    tokens = np.fromiter(chain.from_iterable(of_rows), np.int32, offsets[-1])
    return pa.ListArray.from_arrays(offsets, tokens)
