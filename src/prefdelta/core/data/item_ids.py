"""The column that a source names as its `id`. A problem is known by its text; the column only checks the data set."""

from collections.abc import Mapping

from prefdelta.core.data.sources import DataSource
from prefdelta.core.data.values import cell_text, is_missing, typed
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import TRAINING_PROMPTS


class IdColumn:
    """Counts the rows for which the column is not an id. Does nothing without such a column."""

    def __init__(self, source: DataSource, name: str) -> None:
        """name: of the training set or benchmark."""
        self._column, self._dataset, self._name = source.fields.id, source.dataset, name
        self._seen: dict[str, tuple[int, str]] = {}  # id -> its first row and prompt
        self._rows = 0
        self._missing: list[str] = []
        self._repeats: list[str] = []

    def see(self, number: int, row: Mapping[str, object], prompt_id: str) -> None:
        """Take note of a row that makes a prompt."""
        if self._column is None:
            return
        self._rows += 1
        value = row.get(self._column)
        item_id = None if is_missing(value) else cell_text(value, self._column, f"{self._dataset}, row {number:,}")
        if item_id is None:
            self._missing.append(f"row {number:,} holds {typed(value)}")
            return
        first, before = self._seen.setdefault(item_id, (number, prompt_id))
        if before != prompt_id:
            self._repeats.append(f"row {number:,} holds {item_id!r}, as row {first:,} does")

    def check(self) -> None:
        """Raise StudyError, with the counts, if the column is not an id."""
        faults = {"have none": self._missing, "have that of an earlier row with another problem": self._repeats}
        counts = [f"{len(rows):,} {what} ({rows[0]})" for what, rows in faults.items() if rows]
        if not counts:
            return
        place = (
            "prompts.train"
            if self._name == TRAINING_PROMPTS
            else f"the source of resources/benchmarks/{self._name}.yaml"
        )
        raise StudyError(
            f"{self._dataset}: the column {self._column!r} is not an id: of {self._rows:,} rows with a problem "
            f"{' and '.join(counts)}. A problem is known by its text, so no id is needed: take `id: {self._column}` "
            f"out of the `fields` of {place}."
        )
