"""Judged traces to pairs, deltas and the top tenth, Parquet to Parquet: 1M traces, and 10M for time and memory.

    pairs-pandas, pairs-duckdb, pairs-polars     wall seconds for 1M traces, on all cores; theirs is the peer's
    pairs-10m-seconds, pairs-10m-memory          10M traces in a process of its own; theirs is the bound

Ours are the functions of the stages pair, delta and filter. All rows of the three tables are the same before any time
is printed, with the hashes that are ids and the order of equal pairs. About 100 seconds on two idle cores.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pairs.made import make, run_stages
from pairs.peers import by_duckdb, by_pandas, by_polars
from pyarrow import parquet

from bench.side_by_side import at_most, side_by_side

PAIRS, LARGE = 500_000, 5_000_000  # a pair has two traces
MOST_SECONDS, MOST_MIB = 20, 2048


def work(by: Callable[[Path, Path, int], None], folder: Path, out: Path) -> Path:
    out.mkdir(exist_ok=True)
    by(folder, out, PAIRS // 10)
    return out


def same(ours: Path, theirs: Path) -> None:
    for name in ("pairs", "deltas", "selected"):
        table = parquet.read_table(ours / f"{name}.parquet")
        other = parquet.read_table(theirs / f"{name}.parquet").select(table.column_names).cast(table.schema)
        for column in table.column_names:
            assert other.column(column).equals(table.column(column)), f"{theirs.name}: {name}.{column} differs"


def measure(folder: Path, n: int) -> tuple[float, float]:
    """(Seconds, peak MiB) of our stages on the tables of a folder."""
    started = time.perf_counter()
    run_stages(folder, folder, n // 10)
    seconds = time.perf_counter() - started
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return seconds, int(peak.split()[1]) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root / "1m", PAIRS)
        for name, by in (("pandas", by_pandas), ("duckdb", by_duckdb), ("polars", by_polars)):
            ours, theirs = (
                partial(work, way, root / "1m", root / at) for way, at in ((run_stages, "ours"), (by, name))
            )
            side_by_side(f"pairs-{name}", ours, theirs, same=same, measure="wall")
        for step in ("make", "measure"):
            done = subprocess.run(
                [sys.executable, "-m", "bench.pairs", step, root / "10m", str(LARGE)],
                stdout=subprocess.PIPE,
                check=True,
            )
        seconds, peak = map(float, done.stdout.split())
        at_most("pairs-10m-seconds", seconds, MOST_SECONDS, "s")
        at_most("pairs-10m-memory", peak, MOST_MIB, "MiB")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", folder, n]:
            make(Path(folder), int(n))
        case ["measure", folder, n]:
            print(*measure(Path(folder), int(n)))
        case _:
            main()
