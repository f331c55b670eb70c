"""The tables of a study, found by what they are about."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from prefdelta.core import layout
from prefdelta.core.errors import StudyError
from prefdelta.records.contract import Row
from prefdelta.store import tables

if TYPE_CHECKING:
    import pyarrow as pa

R = TypeVar("R", bound=Row)


class StudyTables:
    """A study's outputs by kind and axes, as in `core.layout.OUTPUTS`. A table is read when it is asked for."""

    def __init__(self, outputs: Iterable[str | Path], study: str) -> None:
        """outputs: paths of outputs, whether or not they are there yet. Raises StudyError for a path of another form.

        A job hands over its inputs, a command `Study.outputs`.
        """
        self._by_kind: dict[str, list[tuple[layout.Place, Path]]] = {}
        for path in map(Path, outputs):
            if layout.is_folder(path):
                continue
            place = layout.place_of(path, study)
            self._by_kind.setdefault(place.kind, []).append((place, path))

    def places(self, kind: str, **axes: str) -> Iterator[layout.Place]:
        """The outputs of a kind that are there, in the order in which they were named: those with these axes."""
        for place, path in self._by_kind.get(kind, []):
            if axes.items() <= place.axes.items() and path.exists():
                yield place

    def path(self, kind: str, **axes: str) -> Path:
        """The path of an output. Raises StudyError if the study has none of these axes, or if it is not there yet."""
        path = next((path for place, path in self._by_kind.get(kind, []) if dict(place.axes) == axes), None)
        if path is None:
            raise StudyError(
                f"{layout.output(kind, **axes)}: the study has no such output; `prefdelta plan` names its jobs."
            )
        if not path.exists():
            raise StudyError(f"{path}: is not there yet. Run the study, or only up to it: snakemake {path}")
        return path

    def arrow(self, kind: str, row_type: type[Row], columns: list[str] | None = None, **axes: str) -> "pa.Table":
        """A table, or some of its columns, in Arrow. Raises as `path` and `store.tables.read_arrow` do."""
        return tables.read_arrow(self.path(kind, **axes), row_type, columns)

    def rows(self, kind: str, row_type: type[R], where: Mapping[str, object] | None = None, **axes: str) -> list[R]:
        """The rows of a table whose columns have the values of `where`. Raises as `arrow` does."""
        import pyarrow.compute as pc

        path = self.path(kind, **axes)
        table = tables.read_arrow(path, row_type)
        for column, value in (where or {}).items():
            table = table.filter(pc.equal(table.column(column), value))
        return tables.rows_of(path, table, row_type)
