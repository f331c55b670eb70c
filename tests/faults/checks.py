"""What must be true of a results folder after a chain of kills."""

import hashlib
from collections import Counter
from pathlib import Path

from pyarrow import parquet

_LEFT = (".*.tmp", ".*.staged", ".*.work", ".*.probe", "*.damaged", "result-*")


def final_tables(results: Path) -> dict[str, str]:
    """Path -> sha256 of every table and every manifest of a checkpoint: what must be the same bytes on every run."""
    found = [*results.rglob("*.parquet"), *results.rglob("policy.json"), *results.rglob("model.json")]
    outside = [path for path in found if results / "record" not in path.parents]
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(outside)}


def faults_in(folder: Path, results: Path, expected: dict[str, str]) -> list[str]:
    """What is wrong with a finished study, in words. expected: `final_tables` of one that nothing disturbed."""
    tables = final_tables(results)
    told = [f"{path}: missing" for path in expected if path not in tables]
    told += [
        f"{path}: other bytes than undisturbed" for path in tables.keys() & expected if tables[path] != expected[path]
    ]
    told += [f"{path}: not made undisturbed" for path in tables if path not in expected]
    told += [f"{path}: left over" for pattern in _LEFT for path in results.rglob(pattern)]
    snakemake = folder / ".snakemake"
    told += [f"{path}: left over" for kind in ("locks", "incomplete") for path in (snakemake / kind).glob("*")]
    return told + _duplicates(results / "record")


def _duplicates(record: Path) -> list[str]:
    """Keys that a partition of the record holds twice."""
    keys: dict[Path, Counter[str]] = {}
    for kind in ("calls", "reference"):
        for segment in (record / kind).rglob("*.parquet"):
            column = parquet.read_table(segment, columns=["key"]).column("key")
            keys.setdefault(segment.parent, Counter()).update(column.to_pylist())
    assert keys, f"{record}: no partition was found, so nothing was checked"
    return [
        f"{partition}: key {key} is recorded {count} times"
        for partition, counted in keys.items()
        for key, count in counted.items()
        if count > 1
    ]
