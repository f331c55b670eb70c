"""Printed output of commands."""

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from prefdelta.commands.text_table import table
from prefdelta.study.study import Study


def print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def prefdelta_version() -> str:
    """The version of this package; "unknown" if its source runs from a folder."""
    try:
        return version("prefdelta")
    except PackageNotFoundError:
        return "unknown"


def format_bytes(count: float) -> str:
    """A number of bytes for a person, e.g. 1.2 GB."""
    unit = "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"


def print_sums(sums: Mapping[str, tuple[int, int]]) -> None:
    """Print a table of kind -> (count, bytes), with the sum of the bytes."""
    rows = [[kind, f"{count:,}", f"{size:,} bytes"] for kind, (count, size) in sums.items()]
    rows.append(["together", "", f"{sum(size for _, size in sums.values()):,} bytes"])
    for line in table(rows, right={1, 2}):
        print_line(f"  {line}")


def print_note_on_batches(study: Study, stage: str) -> None:
    """Say so if a stage's forgotten replies may come back unchanged from a provider's batch files."""
    judges = study.config.judge.judges().values() if stage == "judge" else []
    if batched := [f"{judge.where}.engine.batch" for judge in judges if judge.engine.batch is not None]:
        print_line(
            f"note: {' and '.join(batched)} is set, so a reply that the provider still keeps in a batch's file is "
            "taken from there, and not asked for anew; what was refused or not begun is asked anew. To have all of it "
            "asked anew, delete the output files of these batches at the provider before the next run, or run without "
            "batch."
        )
