"""`prefdelta annotate import`: answers to a sheet, checked and joined with its key."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from prefdelta.commands.annotate.answers import Answer, read_answers
from prefdelta.commands.output import print_line
from prefdelta.core import layout
from prefdelta.core.errors import StudyError
from prefdelta.core.people.sheet import SIDES, Sheet
from prefdelta.records.annotation import Annotation
from prefdelta.store import sheets, tables
from prefdelta.study.study import Study


def run(study: Study, arguments: argparse.Namespace) -> None:
    found = read_answers(arguments.file)
    name = study.config.study
    key = Path(layout.sheet_key(name, found.sheet))
    if not key.is_file():
        there = sorted(path.name.removesuffix(".key.json") for path in key.parent.glob("*.key.json"))
        raise StudyError(
            f"{arguments.file}: answers the sheet {found.sheet}, which is not one of the study {name}: there is no key "
            f"{key}. Its sheets: {', '.join(there) or 'none'}. Name the study that exported it by --configfile."
        )
    sheet = sheets.read(key)
    annotator = arguments.annotator or found.annotator
    if not annotator or not annotator.strip():
        raise StudyError(f"{arguments.file}: says nobody's name. Say whose answers these are: --annotator NAME.")
    rows = join(sheet, found.answers, annotator.strip(), arguments.partial, str(arguments.file))
    table = Path(layout.annotations(name, sheet.sheet))
    before = tables.read(table, Annotation) if table.is_file() else []
    others = [row for row in before if row.annotator != annotator.strip()]
    if len(others) < len(before) and not arguments.replace:
        raise StudyError(
            f"{table}: holds answers of {annotator.strip()} already. To put these in their place: --replace; if they "
            "are another person's, name them: --annotator NAME."
        )
    tables.write(table, Annotation, [*others, *rows])
    pairs = len({row.pair_id for row in rows})
    people = len({row.annotator for row in [*others, *rows]})
    print_line(
        f"sheet {sheet.sheet}: {pairs} of {len(sheet.rows)} pairs scored by {annotator.strip()}; people: {people}"
    )
    for note in _edited(study, sheet):
        print_line(note)
    print_line(f"written: {table}")
    if sheet.sheet not in study.config.annotations:
        print_line(f"To have it in the report, name it in the config: annotations: [{sheet.sheet}]")


def join(sheet: Sheet, answers: Sequence[Answer], annotator: str, partial: bool, where: str) -> list[Annotation]:
    """One annotation per answered row and dimension, sides put back in order. Raises StudyError with all mistakes.

    partial: whether rows without any score may be left out. where: names the file in errors.
    """
    wrong = []
    of_row = {row.row: row for row in sheet.rows}
    seen: set[str] = set()
    for answer in answers:
        if answer.row not in of_row:
            wrong.append(f"row {answer.row!r} is not in the sheet (rows {sheet.rows[0].row} to {sheet.rows[-1].row})")
        elif answer.row in seen:
            wrong.append(f"row {answer.row} is answered twice")
        seen.add(answer.row)
        if unknown := sorted({dimension for _, dimension in answer.scores} - set(sheet.dimensions)):
            wrong.append(f"row {answer.row} scores {', '.join(unknown)}; the sheet asks {', '.join(sheet.dimensions)}")
        wanted = [(side, dimension) for dimension in sheet.dimensions for side in SIDES]
        missing = [f"{side}:{dimension}" for side, dimension in wanted if (side, dimension) not in answer.scores]
        if missing and (answer.scores or not partial):
            wrong.append(f"row {answer.row} has no score for {', '.join(missing)}")
    if not partial:
        wrong += [f"row {row.row} is not answered" for row in sheet.rows if row.row not in seen]
    if wrong:
        hint = "" if partial else " A sheet with rows that nobody scored is taken with --partial."
        shown = "".join(f"\n  {line}" for line in wrong[:20])
        more = f"\n  and {len(wrong) - 20} more" if len(wrong) > 20 else ""
        raise StudyError(
            f"{where}: nothing was imported, as {len(wrong)} answers cannot be taken:{shown}{more}\n{hint}"
        )
    rows = []
    for answer in answers:
        row = of_row[answer.row]
        rejected = SIDES[1 - SIDES.index(row.chosen)]
        for dimension in sheet.dimensions if answer.scores else ():
            chosen_score, rejected_score = (answer.scores[side, dimension] for side in (row.chosen, rejected))
            scores = chosen_score, rejected_score
            rows.append(Annotation(annotator, row.pair_id, dimension, *scores, row.texts, answer.note))
    if not rows:
        raise StudyError(f"{where}: holds no score, so nothing was imported.")
    return rows


def _edited(study: Study, sheet: Sheet) -> list[str]:
    now = study.judge_versions()
    notes = []
    for dimension, version in sheet.versions.items():
        changed = version.changed(now[dimension]) if dimension in now else ["dimension"]
        if changed:
            notes.append(
                f"note: {dimension}: edited since the export: {', '.join(changed)}. The report shows the sheet as "
                "one of another version, and corrects nothing by it."
            )
    return notes
