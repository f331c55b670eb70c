"""Outputs by kind and axes, whether or not they are there yet."""

from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.reading.study_tables import StudyTables
from prefdelta.records.grade import Grade
from prefdelta.store import tables
from unit.rows import grade


@pytest.fixture
def study(tmp_path: Path) -> StudyTables:
    results = tmp_path / "results/s"
    tables.write(results / "grade/g3.parquet", Grade, [grade("p1"), grade("p2"), grade("p2", sample=1)])
    outputs = ["grade/g3.parquet", "grade/g1.parquet", "pair/g3~g1.parquet", "report/index.html", "report/figures"]
    return StudyTables([results / name for name in outputs], "s")


def test_the_outputs_of_a_kind_that_are_there_are_found_by_their_axes(study: StudyTables) -> None:
    assert [dict(place.axes) for place in study.places("grade")] == [{"generator": "g3"}]
    assert list(study.places("grade", generator="g1")) == []
    assert list(study.places("delta")) == []


def test_rows_are_filtered_by_all_the_columns_that_are_named(study: StudyTables) -> None:
    found = study.rows("grade", Grade, {"prompt_id": "p2", "sample": 1}, generator="g3")
    assert [(row.prompt_id, row.sample) for row in found] == [("p2", 1)]
    assert len(study.rows("grade", Grade, generator="g3")) == 3
    assert study.arrow("grade", Grade, ["prompt_id"], generator="g3").column_names == ["prompt_id"]


def test_what_is_not_there_yet_is_told_apart_from_what_the_study_does_not_have(study: StudyTables) -> None:
    with pytest.raises(StudyError, match="is not there yet"):
        study.path("grade", generator="g1")
    with pytest.raises(StudyError, match="has no such output"):
        study.path("grade", generator="g9")
