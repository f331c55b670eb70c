"""The training prompts: numbered in the order of their ids, in pages of the same size everywhere."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from prefdelta.browsing.scripts import Scripts
from prefdelta.records.contract import Row
from prefdelta.records.prompt import Prompt
from prefdelta.store import tables

if TYPE_CHECKING:
    import pyarrow as pa

R = TypeVar("R", bound=Row)
T = TypeVar("T")
_STRETCH = 500  # prompts, about, whose texts are in memory at a time
_BATCH_ROWS = 250


class NumberedPrompts:
    """The prompts of one table. page: prompts per page."""

    def __init__(self, path: Path, page: int) -> None:
        self._path = path
        self._page = page
        self.stretch = max(1, _STRETCH // page)  # pages

    @cached_property
    def ids(self) -> "pa.Array":
        """Number -> prompt_id."""
        return tables.read_arrow(self._path, Prompt, ["prompt_id"]).column("prompt_id").combine_chunks()

    @cached_property
    def numbers(self) -> dict[str, int]:
        """prompt_id -> number, from 0."""
        return {prompt: number for number, prompt in enumerate(self.ids.to_pylist())}

    def write(self, scripts: Scripts) -> None:
        """Write `prompts/<page>`."""
        for number, rows in self.pages(tables.read(self._path, Prompt)):
            shown = [{"id": row.prompt_id, "text": row.text, "answers": row.answers} for row in rows]
            scripts.write(f"prompts/{number}", shown)

    def pages(self, entries: Sequence[T], first: int = 0) -> Iterator[tuple[int, Sequence[T]]]:
        """(number of a page, its entries). entries: one per prompt, from the first prompt of page `first`."""
        for number, start in enumerate(range(0, len(entries), self._page), first):
            yield number, entries[start : start + self._page]

    def stretches(self, path: Path, row_type: type[R]) -> Iterator[list[list[R]]]:
        """The rows of a table by prompt, for some pages of prompts at a time. The table is sorted by `prompt_id`.

        Raises as `store.tables.read_arrow` does.
        """
        size, total = self._page * self.stretch, len(self.numbers)
        first, held = 0, [list[R]() for _ in range(min(size, total))]
        for batch in tables.batches(path, row_type, _BATCH_ROWS):
            for row in tables.rows_of(path, batch, row_type):
                number = self.numbers[row.prompt_id]  # type: ignore[attr-defined]
                while number >= first + size:
                    yield held
                    first += size
                    held = [[] for _ in range(min(size, total - first))]
                held[number - first].append(row)
        while first < total:
            yield held
            first += size
            held = [[] for _ in range(max(0, min(size, total - first)))]
