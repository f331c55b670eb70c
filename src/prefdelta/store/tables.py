"""Tables: typed rows to Parquet and back. One schema per noun, sorted rows, the same bytes for the same rows."""

import os
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from prefdelta.core.errors import DamagedError, StudyError
from prefdelta.records.contract import Row
from prefdelta.system.files import publish

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

R = TypeVar("R", bound=Row)
_BUFFER = 1 << 20  # bytes


class MissingTableError(StudyError):
    """No table exists at the path."""


def schema(row_type: type[Row]) -> "pa.Schema":
    """The Arrow schema of a row type: one column per field, nullable where its type allows None."""
    import pyarrow as pa

    arrow = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    columns = []
    for name, hint in typing.get_type_hints(row_type).items():
        if typing.get_origin(hint) is typing.ClassVar:
            continue
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        plain = next(option for option in options if option is not types.NoneType)
        inner = typing.get_args(plain)
        kind = pa.list_(pa.field("element", arrow[inner[0]])) if inner else arrow[plain]  # Parquet's name
        columns.append(pa.field(name, kind, nullable=types.NoneType in options))
    return pa.schema(columns, metadata={"row": row_type.__name__, "version": str(row_type.VERSION)})


def write(path: Path, row_type: type[R], rows: Iterable[R]) -> int:
    """Publish rows, sorted by the type's key, and return how many there are.

    Raises StudyError if two rows have one key, ValueError if a value does not fit its column.
    """
    key = attrgetter(*row_type.KEY)
    ordered = sorted(rows, key=key)
    for row, following in pairwise(ordered):
        if key(row) == key(following):
            raise StudyError(f"{path}: two rows have the key {row_type.KEY} = {key(row)!r}.")
    try:
        table = arrow_of(row_type, ordered)
    except UnicodeEncodeError:
        raise
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    _publish(path, table)
    return len(ordered)


def write_arrow(path: Path, row_type: type[Row], table: "pa.Table") -> int:
    """`write` of the rows of a table with the type's columns, in any order; its key is one column."""
    import pyarrow.compute as pc

    (name,) = row_type.KEY
    wanted = schema(row_type)
    for field in wanted:
        if table.column(field.name).null_count and not field.nullable:
            raise ValueError(f"{path}: column {field.name!r} must not be null")
    table = table.select(wanted.names).cast(wanted).combine_chunks()
    keys, following = table.column(name)[:-1], table.column(name)[1:]
    if not pc.all(pc.less(keys, following)).as_py():
        table = table.sort_by(name).combine_chunks()
        keys, following = table.column(name)[:-1], table.column(name)[1:]
        for repeated in keys.filter(pc.equal(keys, following)).to_pylist():
            raise StudyError(f"{path}: two rows have the key {row_type.KEY} = {repeated!r}.")
    _publish(path, table)
    return len(table)


def arrow_of(row_type: type[R], rows: Sequence[R]) -> "pa.Table":
    """Rows as a table, in their order. Raises ValueError if a value does not fit its column."""
    import pyarrow as pa

    table_schema = schema(row_type)
    values_of = attrgetter(*(field.name for field in fields(row_type)))
    columns = zip(*map(values_of, rows), strict=True) if rows else ([] for _ in table_schema)
    arrays = []
    for field, values in zip(table_schema, columns, strict=True):
        if pa.types.is_integer(field.type) and any(issubclass(kind, float) for kind in set(map(type, values))):
            raise ValueError(f"column {field.name!r} holds whole numbers only")  # Arrow would cut fractions off
        array = pa.array(values, field.type)
        if array.null_count and not field.nullable:
            raise ValueError(f"column {field.name!r} must not be null")
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=table_schema)


def _publish(path: Path, table: "pa.Table") -> None:
    import pyarrow as pa
    from pyarrow import parquet

    # In memory first, so that the error of a full disk says how much is needed, and no Parquet is half-written.
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd", write_page_checksum=True)
    publish(path, memoryview(sink.getvalue()))


def read(path: Path, row_type: type[R]) -> list[R]:
    """The rows of a table, in its order. Raises as `read_arrow` does."""
    return rows_of(path, read_arrow(path, row_type), row_type)


def rows_of(path: Path, table: "pa.Table", row_type: type[R]) -> list[R]:
    """Rows from a table in Arrow that was read from `path`. Raises DamagedError if a text in it is not UTF-8."""
    try:
        columns = [table.column(field.name).to_pylist() for field in fields(row_type)]
    except UnicodeDecodeError as error:  # Parquet does not check texts
        raise _damaged(path, error) from None
    return [row_type(*values) for values in zip(*columns, strict=True)]


def read_arrow(path: Path, row_type: type[Row], columns: list[str] | None = None) -> "pa.Table":
    """A table (or some of its columns) in Arrow.

    Raises MissingTableError; DamagedError if it is damaged (every page has a checksum) or of another type; and
    StudyError if it may be whole, but cannot be read now, or not by this source.
    """
    with _reading(path) as file:
        later = _check_schema(path, file.schema_arrow, row_type)
        read = file.read(columns=None if columns is None else [name for name in columns if name not in later])
        read.validate(full=True)  # Parquet does not check texts
        return _complete(read, row_type, columns) if later else read


@contextmanager
def _reading(path: Path, buffered: bool = False) -> Iterator["parquet.ParquetFile"]:
    """A table's file, open. Raises as `read_arrow`, also for what is read inside. buffered: read in small parts."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(
            path, page_checksum_verification=True, buffer_size=_BUFFER if buffered else 0, pre_buffer=not buffered
        ) as file:
            yield file
    except FileNotFoundError:
        raise MissingTableError(f"{path}: there is no such table.") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # An error of the system has a number. Arrow's own, about the content, has none.
        if isinstance(error, OSError) and error.errno is not None:
            raise StudyError(
                f"{path}: cannot be read now: {os.strerror(error.errno)}. That says nothing about its content, so it "
                "stays as it is. See to it that it can be read, and run the same command again."
            ) from None
        raise _damaged(path, error) from None


def batches(path: Path, row_type: type[Row], rows: int, columns: list[str] | None = None) -> Iterator["pa.Table"]:
    """A table (or some of its columns) in parts of at most so many rows, in its order: for tables of long texts.

    Raises as `read_arrow` does, once it comes to a damaged part.
    """
    import pyarrow as pa

    with _reading(path, buffered=True) as file:
        later = _check_schema(path, file.schema_arrow, row_type)
        wanted = None if columns is None else [name for name in columns if name not in later]
        for batch in file.iter_batches(rows, columns=wanted, use_threads=False):
            read = pa.Table.from_batches([batch])
            read.validate(full=True)
            yield _complete(read, row_type, columns) if later else read


def _check_schema(path: Path, stored: "pa.Schema", row_type: type[Row]) -> set[str]:
    """The columns that the table lacks because later versions of the row type added them. Raises as `read_arrow`."""
    import pyarrow as pa

    expected = schema(row_type)
    if stored.equals(expected, check_metadata=True):
        return set()
    added: dict[int, tuple[str, ...]] = getattr(row_type, "ADDED", {})
    later, version_then = set[str](), row_type.VERSION
    while version_then in added:
        later.update(added[version_then])
        version_then -= 1
        metadata = {**expected.metadata, b"version": str(version_then).encode()}
        if stored.equals(
            pa.schema([field for field in expected if field.name not in later], metadata), check_metadata=True
        ):
            return later
    theirs, ours = stored.metadata or {}, expected.metadata
    if theirs.get(b"row") == ours[b"row"] and (version := theirs.get(b"version")) != ours[b"version"]:
        raise StudyError(
            f"{path}: is a table of {row_type.__name__} version {(version or b'unknown').decode('utf-8', 'replace')}; "
            f"this source reads version {row_type.VERSION}. It stays as it is. Run the source that wrote it, or move "
            "it away (a segment of the record with its whole folder) and run the same command again: what it holds is "
            "then made anew, models being asked again."
        )
    raise DamagedError(path, f"{path}: is not a table of {row_type.__name__} version {row_type.VERSION}.")


def _complete(table: "pa.Table", row_type: type[Row], columns: list[str] | None) -> "pa.Table":
    """A table of an earlier version in this version's schema: the columns it lacks are null."""
    import pyarrow as pa

    wanted = schema(row_type)
    if columns is not None:
        wanted = pa.schema([wanted.field(name) for name in columns], wanted.metadata)
    present = set(table.column_names)
    arrays = [
        table.column(field.name) if field.name in present else pa.nulls(len(table), field.type) for field in wanted
    ]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _damaged(path: Path, error: Exception) -> DamagedError:
    return DamagedError(path, f"{path}: cannot be read as Parquet: it is damaged ({error}).")
