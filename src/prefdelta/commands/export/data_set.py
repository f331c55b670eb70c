"""`prefdelta export ARM` and `export --pairing P`: a folder with the data, its card, and what trainers ask for."""

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from prefdelta.commands.export.card import card
from prefdelta.commands.export.columns import ExportColumn, Format, Row, arrow_schema, columns_of, rows_of
from prefdelta.commands.export.croissant import croissant
from prefdelta.commands.export.json_lines import json_line
from prefdelta.commands.export.pairs import PairsExport
from prefdelta.commands.export.trainers import trainer_files
from prefdelta.core.errors import StudyError
from prefdelta.system.files import sha256_of
from prefdelta.system.staged import new_folder

_AT_ONCE = 1_000  # rows held in memory as columns
DATA = {"trl": "data/train.parquet", "jsonl": "data/train.jsonl"}  # of other formats: train.jsonl


def write_data_set(export: PairsExport, form: Format, out: Path, license_name: str | None) -> int:
    """Write the folder `out`, and return the number of rows.

    Raises StudyError if there are none, or as `new_folder`.
    """
    if not export.pairs:
        raise StudyError(f"{export.name}: has no pairs, so there is nothing to export.")
    columns, data = columns_of(export, form), DATA.get(form, "train.jsonl")
    with new_folder(out) as folder:
        path = folder / data
        path.parent.mkdir(exist_ok=True)
        write = _write_parquet if path.suffix == ".parquet" else _write_lines
        rows = write(path, columns, rows_of(export, form))
        described = croissant(export, form, columns, data, sha256_of(path), path.stat().st_size, license_name)
        texts = {
            "README.md": card(export, form, columns, data, rows, license_name),
            "croissant.json": json.dumps(described, indent=2, ensure_ascii=False) + "\n",
            **trainer_files(form, export.method, data, export.system is not None),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    return rows


def _write_parquet(path: Path, columns: list[ExportColumn], rows: Iterable[Row]) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    schema, count = arrow_schema(columns), 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in _parts(rows):
            writer.write_table(pa.Table.from_pylist(part, schema))
            count += len(part)
    return count


def _write_lines(path: Path, columns: list[ExportColumn], rows: Iterable[Row]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            stream.write(json_line({column.name: row[column.name] for column in columns}))
            count += 1
    return count


def _parts(rows: Iterable[Row]) -> Iterable[list[Row]]:
    iterator = iter(rows)
    while part := list(islice(iterator, _AT_ONCE)):
        yield part
