"""What the marks of a figure stand for, as rows: the CSV behind it."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

from prefdelta.core.spreadsheets import no_formula


@dataclass(frozen=True, slots=True)
class MarkSource:
    """Whose value a mark shows."""

    name: str = ""  # of an arm, a pairing or a dimension, as the figure shows it
    contrast: str = ""  # what the value is of: `reporting.contrasts`
    runs: int | None = None  # trainings behind it; None: no arm is trained
    seeds: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark. x: what it is drawn against: a number of pairs, a generator delta, or the name of a row."""

    panel: str
    series: str
    name: str
    contrast: str
    kind: str  # mean, run (one of those behind a mean) or reference
    x: float | str
    x_low: float | None
    x_high: float | None
    y: float | None  # in the figure's unit
    low: float | None  # of its 95% interval
    high: float | None
    unit: str
    n: int | None
    runs: int | None
    seeds: str


def csv_text(marks: Iterable[Mark]) -> str:
    """A row per mark, below the names of the columns. No cell begins like a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(field.name for field in fields(Mark))
    writer.writerows([_cell(value) for value in astuple(mark)] for mark in marks)
    return stream.getvalue()


def _cell(value: object) -> object:
    return no_formula(value) if isinstance(value, str) else "" if value is None else value
