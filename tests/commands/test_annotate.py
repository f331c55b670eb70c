"""`prefdelta annotate`: a sheet is exported, filled by a script, imported, and held against the judge."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.main import main
from prefdelta.core.arms import Pairing
from prefdelta.core.errors import StudyError
from prefdelta.core.layout import annotations, sheet_key
from prefdelta.records.annotation import Annotation
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.reporting.judging.people import people_lines
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.store import tables

from .made import CONFIG, DIMENSIONS, RESULTS, study_here
from .sheet_made import OUT, annotate, exported, judged, make_judged_pairs


@pytest.fixture
def study(checkout, capsys):
    make_judged_pairs()
    return checkout


def rows_of(sheet):
    with (OUT / f"{sheet.sheet}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def fill(sheet, scores, name="filled.csv"):
    """Write the CSV with scores. scores: (number, dimension) -> scores of the chosen and the rejected trace."""
    rows, keys = rows_of(sheet), {row.row: row for row in sheet.rows}
    for row in rows:
        key = keys[row["row"]]
        for dimension in sheet.dimensions:
            chosen, rejected = scores(int(key.pair_id[3:]), dimension)
            first, second = (chosen, rejected) if key.chosen == "first" else (rejected, chosen)
            row |= {f"first:{dimension}": first, f"second:{dimension}": second}
    with Path(name).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return Path(name)


def as_the_judge(number, dimension):
    return judged(number)[dimension]


def lines_of(sheet):
    study = study_here()
    components = {name: [name] for name in DIMENSIONS} | {"mean": DIMENSIONS}
    deltas = [RESULTS / f"delta/g3~g1/{name}.parquet" for name in components]
    pairs = [RESULTS / "pair/g3~g1.parquet"]
    pairings = Pairings(pairs, deltas, "mini", list(components))
    paths = [Path(place("mini", sheet.sheet)) for place in (annotations, sheet_key)]
    return people_lines(paths[:1], paths[1:], pairs, pairings, study.judge_versions(), components, Bootstrap(200, 1))


def test_a_sheet_tells_neither_generators_nor_scores_and_escapes_what_models_wrote(study):
    sheet = exported()
    page, table = ((OUT / f"{sheet.sheet}.{ending}").read_text() for ending in ("html", "csv"))
    assert "<script>throw" not in page
    assert "&lt;script&gt;throw" in page
    for text in (page, table):
        assert not any(word in text for word in ("g3", "g1", "zz-", "chosen", "rejected"))
    assert all(row[side].startswith("'=") for row in rows_of(sheet) for side in ("first", "second"))
    # Deltas on the mean are -1, -0.5, 0, 0.5 and 1, twelve times each: strata of 24, 12 and 24 pairs.
    assert [stratum.size for stratum in sheet.strata] == [24, 12, 24]
    assert [[row.stratum for row in sheet.rows].count(one) for one in range(3)] == [14, 12, 14]
    assert 10 < [row.chosen for row in sheet.rows].count("first") < 30


def test_a_sheet_that_is_filled_as_the_judge_scored_agrees_with_it(study, capsys):
    sheet = exported()
    assert annotate("import", fill(sheet, as_the_judge), "--annotator", "ada") == 0
    assert f"annotations: [{sheet.sheet}]" in capsys.readouterr().out
    assert annotate("import", fill(sheet, as_the_judge), "--annotator", "bob") == 0
    rows = tables.read(Path(annotations("mini", sheet.sheet)), Annotation)
    assert len(rows) == 2 * 40 * 2
    for row in rows:
        assert (row.chosen_score, row.rejected_score) == as_the_judge(int(row.pair_id[3:]), row.dimension)
    first, second, mean = lines_of(sheet)
    assert (first.pairing, first.dimension, first.annotators, first.scored) == (
        Pairing("g3", "g1"),
        DIMENSIONS[0],
        2,
        40,
    )
    for line in (first, mean):
        assert (line.with_judge.exact.value, line.with_judge.kappa.value, line.among.kappa.value) == pytest.approx(
            (1, 1, 1)
        )
        assert (line.errors.sensitivity.value, line.errors.specificity.value) == (1, 1)
        assert line.errors.corrected.value == pytest.approx(0.4)
        assert line.corrected_mean.value == pytest.approx(line.judge_mean.value)
    assert second.errors.sensitivity.value is None  # nothing is better


def test_people_who_see_half_a_point_more_correct_the_mean(study):
    """They give the rejected trace one point less wherever the judge sees no difference: on a fifth of the pairs."""
    sheet = exported("--dimensions", DIMENSIONS[0])

    def scores(number, dimension):
        chosen, rejected = as_the_judge(number, dimension)
        return (chosen, rejected - 1) if chosen == rejected else (chosen, rejected)

    assert annotate("import", fill(sheet, scores), "--annotator", "ada") == 0
    (line,) = lines_of(sheet)
    assert line.judge_mean.value == 0
    assert line.people_mean.value == pytest.approx(0.2)
    assert line.corrected_mean.value == pytest.approx(0.2)
    # 40% are better by the judge, another 20% by people alone.
    assert (line.errors.sensitivity.value, line.errors.specificity.value) == pytest.approx((2 / 3, 1))
    assert line.errors.corrected.value == pytest.approx(0.6)


def test_answers_that_the_page_saved_are_the_same_as_those_of_the_csv(study):
    sheet = exported()
    annotate("import", fill(sheet, as_the_judge), "--annotator", "ada")
    answers = []
    for row in sheet.rows:
        chosen, rejected = (
            {name: as_the_judge(int(row.pair_id[3:]), name)[side] for name in DIMENSIONS} for side in (0, 1)
        )
        first, second = (chosen, rejected) if row.chosen == "first" else (rejected, chosen)
        answers.append({"row": row.row, "first": first, "second": second, "note": ""})
    Path("saved.json").write_text(json.dumps({"sheet": sheet.sheet, "annotator": "eve", "answers": answers}))
    assert annotate("import", "saved.json") == 0
    rows = tables.read(Path(annotations("mini", sheet.sheet)), Annotation)
    said = {
        name: [(r.pair_id, r.dimension, r.chosen_score) for r in rows if r.annotator == name] for name in ("ada", "eve")
    }
    assert said["ada"] == said["eve"] != []


def test_an_edited_rubric_makes_the_sheet_one_of_another_version(study, capsys):
    sheet = exported()
    rubric = Path(f"resources/rubrics/{DIMENSIONS[0]}.md")
    rubric.write_text(rubric.read_text() + "More.\n")
    assert annotate("import", fill(sheet, as_the_judge), "--annotator", "ada") == 0
    assert "edited since the export: rubric" in capsys.readouterr().out
    for line in lines_of(sheet):
        assert list(line.edited) == ["rubric"]  # both dimensions are asked in one form
        assert line.corrected_mean.value is None


def test_pairs_that_came_later_make_the_sheet_one_of_another_version(study):
    sheet = exported()
    annotate("import", fill(sheet, as_the_judge), "--annotator", "ada")
    path = RESULTS / "delta/g3~g1/mean.parquet"
    tables.write(path, Delta, [*tables.read(path, Delta), Delta("zz-60", 3.0, 3.0, 0.0, None)])
    assert list(lines_of(sheet)[0].edited) == ["pairs"]


def test_traces_that_were_drawn_anew_make_the_sheet_one_of_another_version(study):
    sheet = exported()
    annotate("import", fill(sheet, as_the_judge), "--annotator", "ada")
    path = RESULTS / "pair/g3~g1.parquet"
    first, *others = tables.read(path, Pair)
    tables.write(path, Pair, [replace(first, texts="of another draw"), *others])
    assert list(lines_of(sheet)[0].edited) == ["pairs"]
    assert annotate("export", "--pairing", "g3~g1", "--pairs", 40, "--out", "again") == 0
    assert not (Path("again") / f"{sheet.sheet}.csv").exists(), "it is another sheet"


def test_an_annotation_says_which_texts_were_read(study):
    sheet = exported()
    annotate("import", fill(sheet, as_the_judge), "--annotator", "ada")
    rows = tables.read(Path(annotations("mini", sheet.sheet)), Annotation)
    assert {row.texts for row in rows} == {f"texts-{row.pair_id[3:]}" for row in sheet.rows}


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda rows: rows[3].update({f"first:{DIMENSIONS[0]}": "6"}), "found 6"),
        (lambda rows: rows[3].update({f"first:{DIMENSIONS[0]}": "good"}), "found 'good'"),
        (lambda rows: rows[3].update({f"first:{DIMENSIONS[0]}": ""}), f"has no score for first:{DIMENSIONS[0]}"),
        (lambda rows: rows[3].update(row="r999"), "row 'r999' is not in the sheet"),
        (lambda rows: rows[3].update(row=rows[2]["row"]), "is answered twice"),
        (lambda rows: rows.pop(), "is not answered"),
        (lambda rows: [row.update(sheet="s-0000000000") for row in rows], "not one of the study mini"),
        (lambda rows: rows[3].update(sheet="s-0000000000"), "name 2 sheets"),
    ],
)
def test_a_file_with_a_mistake_leaves_nothing(study, capsys, spoil, found):
    sheet = exported()
    path = fill(sheet, as_the_judge)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = list(rows[0])
    spoil(rows)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    assert annotate("import", path, "--annotator", "ada") == 2
    assert found in capsys.readouterr().err
    assert not Path(annotations("mini", sheet.sheet)).exists()


def test_answers_are_replaced_only_on_demand(study, capsys):
    sheet = exported()
    path = fill(sheet, as_the_judge)
    annotate("import", path, "--annotator", "ada")
    table = Path(annotations("mini", sheet.sheet))
    before = table.read_bytes()
    fill(sheet, lambda number, dimension: (5, 1))
    assert annotate("import", path, "--annotator", "ada") == 2
    assert table.read_bytes() == before
    assert annotate("import", path, "--annotator", "ada", "--replace") == 0
    assert {row.chosen_score for row in tables.read(table, Annotation)} == {5}


def test_rows_that_nobody_scored_are_left_out_with_partial(study):
    sheet = exported()
    path = fill(sheet, lambda number, dimension: ("", "") if number % 2 else as_the_judge(number, dimension))
    assert annotate("import", path, "--annotator", "ada") == 2
    assert annotate("import", path, "--annotator", "ada", "--partial") == 0
    line = lines_of(sheet)[0]
    assert line.scored == sum(int(row.pair_id[3:]) % 2 == 0 for row in sheet.rows) < 40
    assert line.people_mean.value is not None


def test_an_export_does_not_write_over_a_filled_sheet(study, capsys):
    sheet = exported()
    fill(sheet, as_the_judge, OUT / f"{sheet.sheet}.csv")
    assert annotate("export", "--pairing", "g3~g1", "--pairs", 40, "--out", OUT) == 2
    assert "somebody may have filled it" in capsys.readouterr().err
    assert annotate("export", "--pairing", "g3~g1", "--pairs", 40, "--seed", 1, "--out", OUT) == 0


def test_the_report_reads_the_sheets_that_the_config_names(study):
    sheet = exported()
    annotate("import", fill(sheet, as_the_judge), "--annotator", "ada")
    config = yaml.safe_load(Path(CONFIG).read_text()) | {"annotations": [sheet.sheet]}
    Path(CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    (job,) = study_here().jobs("report")
    assert job.inputs["annotations"] == [annotations("mini", sheet.sheet)]
    assert set(job.typed_settings.people.versions) == set(DIMENSIONS)


def test_a_selection_by_peoples_deltas_reads_the_sheets(study):
    sheet = exported()
    annotate("import", fill(sheet, as_the_judge), "--annotator", "ada")
    config = yaml.safe_load(Path(CONFIG).read_text())
    config["experiments"]["selections"]["selections"].append("top-mean@people-4")
    Path(CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    with pytest.raises(StudyError, match="name their sheets in annotations"):
        study_here()
    Path(CONFIG).write_text(yaml.safe_dump(config | {"annotations": [sheet.sheet]}, sort_keys=False))
    delta = next(job for job in study_here().jobs("delta") if job.axes["dimension"] == "mean@people")
    assert (delta.inputs["judgements"], delta.inputs["annotations"]) == ([], [annotations("mini", sheet.sheet)])
    chosen = next(job for job in study_here().jobs("filter") if job.axes["selection"] == "top-mean@people-4")
    assert chosen.inputs["deltas"] == delta.outputs


def test_gc_keeps_what_people_said(study):
    sheet = exported()
    annotate("import", fill(sheet, as_the_judge), "--annotator", "ada")
    paths = [Path(place("mini", sheet.sheet)) for place in (annotations, sheet_key)]
    assert main(["gc", "--configfile", CONFIG]) == 0
    assert all(path.is_file() for path in paths)
