"""The rows of a training as columns in a file, from which all its processes read.

The processes of a machine map the file into memory, so they share one copy of it: 4 bytes per token, on disk and in
memory. JSON took 36 bytes per token in each process.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import overload

from prefdelta.system.files import explain_full_disk, sync
from prefdelta.training.columns import lists
from prefdelta.training.tokens import PreferenceRow

_SIDES = ("prompt", "chosen", "rejected")
_SUMS = ("ref_chosen_logps", "ref_rejected_logps")
_AT_ONCE = 1024  # rows in a batch of the file


class StoredRows(Sequence[PreferenceRow]):
    """The rows in a file that `store` wrote. Each is made of the file when it is asked for, and not kept."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._columns = pa.ipc.open_file(pa.memory_map(str(path))).read_all()

    def __len__(self) -> int:
        return int(self._columns.num_rows)

    @overload
    def __getitem__(self, at: int) -> PreferenceRow: ...
    @overload
    def __getitem__(self, at: slice) -> list[PreferenceRow]: ...
    def __getitem__(self, at: int | slice) -> PreferenceRow | list[PreferenceRow]:
        if isinstance(at, slice):
            return [self[index] for index in range(len(self))[at]]
        prompt, chosen, rejected = (self._columns.column(side)[at].values.to_numpy().tolist() for side in _SIDES)
        return PreferenceRow(prompt, chosen, rejected, *(self._columns.column(name)[at].as_py() for name in _SUMS))

    def __iter__(self) -> Iterator[PreferenceRow]:
        return (self[index] for index in range(len(self)))


def store(path: Path, rows: Iterable[PreferenceRow]) -> None:
    """Write rows to `path` as an Arrow file. Nobody may read it before this returns.

    Raises StudyError if the disk is full.
    """
    import pyarrow as pa

    columns = [*((side, pa.list_(pa.int32())) for side in _SIDES), *((name, pa.float64()) for name in _SUMS)]
    remaining = iter(rows)
    with explain_full_disk(path, lambda: path.stat().st_size), pa.ipc.new_file(str(path), pa.schema(columns)) as file:
        while batch := list(islice(remaining, _AT_ONCE)):
            sides = [lists([getattr(row, side) for row in batch]) for side in _SIDES]
            sums = [pa.array([getattr(row, name) for row in batch], pa.float64()) for name in _SUMS]
            file.write_batch(pa.record_batch([*sides, *sums], pa.schema(columns)))
    sync(path)
