"""Files with answers to a sheet: the JSON that the page saves, and the filled CSV."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from prefdelta.commands.annotate.export import NOTE, ROW_COLUMNS
from prefdelta.core.errors import StudyError
from prefdelta.core.people.sheet import SCORES, SIDES
from prefdelta.core.settings import Settings, mistakes

_RANGE = f"{SCORES[0]} to {SCORES[-1]}"
_PAGE_COLUMNS = ROW_COLUMNS[2:]  # texts that a person may have taken out of a CSV


@dataclass(frozen=True, slots=True)
class Answer:
    """One row's. Scores may be missing, but are in their range."""

    row: str
    scores: Mapping[tuple[str, str], int]  # (side, dimension) -> 1 to 5
    note: str | None


@dataclass(frozen=True, slots=True)
class Answers:
    sheet: str
    annotator: str | None
    answers: list[Answer]


class SavedRow(Settings):
    row: str
    """Name of the row."""

    first: dict[str, int]
    """Dimension -> score of the first trace."""

    second: dict[str, int]
    """Dimension -> score of the second trace."""

    note: str = ""
    """The person's remark."""


class SavedAnswers(Settings):
    """The file that the page saves."""

    sheet: str
    """Name of the sheet."""

    annotator: str = ""
    """Name of the person."""

    answers: list[SavedRow] = Field(default_factory=list)
    """The rows with any answer."""


def read_answers(path: Path) -> Answers:
    """The answers in a .json or .csv file. Raises StudyError if it has another form, or scores out of their range."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    if path.suffix == ".json":
        return _of_page(path, text)
    if path.suffix == ".csv":
        return _of_csv(path, text)
    raise StudyError(f"{path}: answers are read from the page's .json or from a filled .csv.")


def _of_page(path: Path, text: str) -> Answers:
    try:
        saved = SavedAnswers.model_validate_json(text)
    except ValidationError as error:
        raise StudyError(
            f"{path}: is not what the page saves: {mistakes(error)}. Save it from the page again."
        ) from None
    answers = []
    for row in saved.answers:
        scores = {(side, dimension): score for side in SIDES for dimension, score in getattr(row, side).items()}
        _check_range(path, row.row, {f"{side}:{dimension}": score for (side, dimension), score in scores.items()})
        answers.append(Answer(row.row, scores, row.note.strip() or None))
    return Answers(saved.sheet, saved.annotator.strip() or None, answers)


def _of_csv(path: Path, text: str) -> Answers:
    first_line = text.partition("\n")[0]
    delimiter = ";" if first_line.count(";") > first_line.count(",") else ","  # as spreadsheets of some countries
    try:
        csv.field_size_limit(2**31 - 1)  # a trace may be longer than the default limit of a field
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows = list(reader)
    except csv.Error as error:
        raise StudyError(f"{path}: cannot be read as CSV: {error}") from None
    columns = list(reader.fieldnames or [])
    scored = [name for name in columns if name.partition(":")[0] in SIDES and ":" in name]
    needed = [name for name in ("sheet", "row") if name not in columns]
    other = [name for name in columns if name not in (*ROW_COLUMNS, *scored, NOTE)]
    if needed or other or not scored or len(set(columns)) < len(columns):
        raise StudyError(
            f"{path}: its columns are {', '.join(map(repr, columns)) or 'none'}. It needs those of the exported sheet, "
            f"each once: sheet, row, first:<dimension>, second:<dimension>; {', '.join(_PAGE_COLUMNS)} and {NOTE} "
            "may be missing."
        )
    sheets = sorted({str(row["sheet"]) for row in rows})
    if len(sheets) != 1:
        raise StudyError(
            f"{path}: its rows name {len(sheets)} sheets ({', '.join(sheets) or 'none'}); give one sheet's."
        )
    return Answers(sheets[0], None, [_csv_row(path, row, scored) for row in rows])


def _csv_row(path: Path, row: Mapping[str, str | None], scored: list[str]) -> Answer:
    name = str(row["row"])
    if None in row or None in row.values():
        raise StudyError(f"{path}, row {name}: has more or fewer fields than the first line. Fill the exported file.")
    scores: dict[tuple[str, str], int] = {}
    for column in scored:
        text = str(row[column]).strip()
        if text:
            if not text.isascii() or not text.isdigit():
                raise StudyError(f"{path}, row {name}, {column}: found {text!r}; a score is a whole number, {_RANGE}.")
            _check_range(path, name, {column: int(text)})
            side, _, dimension = column.partition(":")
            scores[side, dimension] = int(text)
    return Answer(name, scores, (row.get(NOTE) or "").strip() or None)


def _check_range(path: Path, row: str, scores: Mapping[str, int]) -> None:
    for column, score in scores.items():
        if score not in SCORES:
            raise StudyError(f"{path}, row {row}, {column}: found {score}; a score is a whole number, {_RANGE}.")
