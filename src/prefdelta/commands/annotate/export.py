"""`prefdelta annotate export`: a blinded sheet, and its key."""

import argparse
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.output import print_line
from prefdelta.core import layout
from prefdelta.core.arms import Pairing
from prefdelta.core.errors import StudyError
from prefdelta.core.people.sheet import SCORES, SIDES, Sheet, make_sheet
from prefdelta.core.spreadsheets import no_formula
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import sheets, tables
from prefdelta.study.study import Study
from prefdelta.study.texts import rubric
from prefdelta.system.files import publish_text

TEMPLATE = Path("resources/templates/annotate.html")
ROW_COLUMNS = ("sheet", "row", "problem", *SIDES)
NOTE = "note"


@dataclass(frozen=True, slots=True)
class ShownRow:
    """What a sheet shows of a pair."""

    row: str
    problem: str
    first: str
    second: str


def score_columns(dimensions: list[str]) -> list[str]:
    """The columns of a CSV that a person fills."""
    return [f"{side}:{dimension}" for dimension in dimensions for side in SIDES]


def run(study: Study, arguments: argparse.Namespace) -> None:
    pairing = _pairing(study, arguments.pairing)
    dimensions = _known(arguments.dimensions, study.config.dimensions, "--dimensions") or study.config.dimensions
    composites = list(study.config.delta.composites)
    by = arguments.by or (dimensions[0] if len(dimensions) == 1 or not composites else composites[0])
    _known([by], [*study.config.dimensions, *composites], "--by")
    versions = {name: version for name, version in study.judge_versions().items() if name in dimensions}
    deltas = {
        row.pair_id: row.delta
        for row in tables.read(_output(study, "delta", **pairing.axes, dimension=by), Delta)
        if row.delta is not None
    }
    pairs = {row.pair_id: row for row in tables.read(_output(study, "pair", **pairing.axes), Pair)}
    texts = {pair_id: pair.texts for pair_id, pair in pairs.items() if pair.texts}
    sheet = make_sheet(
        study.config.study, str(pairing), dimensions, by, deltas, texts, arguments.pairs, arguments.seed, versions
    )
    shown = _shown(study, pairing, pairs, sheet)
    rubrics = {name: Path(rubric(name)).read_text(encoding="utf-8") for name in dimensions}
    content = {
        arguments.out / f"{sheet.sheet}.csv": csv_text(sheet, shown),
        arguments.out / f"{sheet.sheet}.html": page(sheet, shown, rubrics),
    }
    for path, text in content.items():
        if path.exists() and path.read_bytes() != text.encode("utf-8"):
            raise StudyError(
                f"{path}: is there already, and differs; somebody may have filled it. Name another folder."
            )
    sheets.write(Path(layout.sheet_key(sheet.study, sheet.sheet)), sheet)
    for path, text in content.items():
        publish_text(path, text)
    print_line(f"sheet {sheet.sheet}: {len(sheet.rows)} of {len(deltas):,} pairs of {pairing}, drawn by delta on {by}:")
    for index, stratum in enumerate(sheet.strata):
        drawn = sum(row.stratum == index for row in sheet.rows)
        print_line(f"  delta {stratum.label}: {drawn} of {stratum.size:,}")
    for path in content:
        print_line(f"written: {path}")
    print_line(
        f"its key: {layout.sheet_key(sheet.study, sheet.sheet)}. Keep it; give people the sheet alone, then run: "
        "prefdelta annotate import FILE"
    )


def csv_text(sheet: Sheet, shown: list[ShownRow]) -> str:
    """The sheet as CSV, with empty columns for scores."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = score_columns(sheet.dimensions)
    writer.writerow([*ROW_COLUMNS, *columns, NOTE])
    for row in shown:
        texts = [no_formula(text) for text in (row.problem, row.first, row.second)]
        writer.writerow([sheet.sheet, row.row, *texts, *([""] * (len(columns) + 1))])
    return stream.getvalue()


def page(sheet: Sheet, shown: list[ShownRow], rubrics: Mapping[str, str]) -> str:
    """The sheet as a page. All texts are escaped. Raises StudyError if the template cannot be used."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    try:
        template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
        return template.render(sheet=sheet.sheet, rows=shown, rubrics=rubrics, sides=SIDES, scores=SCORES)
    except (OSError, jinja2.TemplateError) as error:
        raise StudyError(f"{TEMPLATE}: {error}. Mend the template.") from None


def _pairing(study: Study, name: str) -> Pairing:
    pairing = Pairing.parse(name)
    known = [Pairing(job.axes["chosen"], job.axes["rejected"]) for job in study.jobs("pair")]
    if pairing not in known:
        raise StudyError(f"--pairing: the study has no pairing {name}; it has {', '.join(map(str, known))}.")
    return pairing


def _known(names: list[str] | None, allowed: list[str], option: str) -> list[str]:
    for name in names or []:
        if name not in allowed:
            raise StudyError(f"{option}: the study has no {name!r}; it has {', '.join(allowed)}.")
    return list(dict.fromkeys(names or []))


def _shown(study: Study, pairing: Pairing, pairs: Mapping[str, Pair], sheet: Sheet) -> list[ShownRow]:
    prompts = {row.prompt_id: row for row in tables.read(_output(study, "prompts", source=TRAINING_PROMPTS), Prompt)}
    texts = {
        (row.generator, row.prompt_id, row.sample): row.text or ""
        for generator in pairing.generators
        for row in tables.read(_output(study, "generate", generator=generator), Trace)
    }
    shown = []
    for row in sheet.rows:
        pair = pairs[row.pair_id]
        sides = [
            texts[pairing.chosen, pair.prompt_id, pair.chosen_sample or 0],
            texts[pairing.rejected, pair.prompt_id, pair.rejected_sample or 0],
        ]
        if row.chosen != SIDES[0]:
            sides.reverse()
        shown.append(ShownRow(row.row, prompts[pair.prompt_id].text, *sides))
    return shown


def _output(study: Study, kind: str, **axes: str) -> Path:
    path = Path(study.results) / layout.output(kind, **axes)
    if not path.is_file():
        raise StudyError(f"{path}: is not there yet. Run the study up to its deltas, then export.")
    return path
