from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.records.details.grade import GradeDetails, SourceAgreement
from prefdelta.records.grade import Grade
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.stages import grade
from prefdelta.store import tables
from prefdelta.system import plugins

from .conftest import ITEMS, Made
from .running import assert_adds_up, read_checked, run


def test_every_trace_has_a_grade_or_the_reason_why_not(grades: dict[str, Made], problems: list[Prompt]) -> None:
    rows = read_checked(grades["strong"].path, Grade)
    assert [row.prompt_id for row in rows] == [problem.prompt_id for problem in problems]
    assert [row.failure for row in rows[:4]] == ["truncated", "no_answer", "too_long", None]
    assert [row.correct for row in rows] == [None] * 3 + [True] * 13
    assert [row.extracted for row in rows[3:]] == [problem.answers[0] for problem in problems[3:]]
    assert_adds_up(grades["strong"].outcome, ITEMS, 13)
    assert grades["strong"].outcome.failures == {"truncated": 1, "no_answer": 1, "too_long": 1}


def test_a_wrong_answer_is_wrong_and_no_failure(grades: dict[str, Made]) -> None:
    # Of weak's traces 3 and every fourth but number 4 are right; number 4 has no answer.
    rows = read_checked(grades["weak"].path, Grade)
    assert [index for index, row in enumerate(rows) if row.correct] == [0, 3, 8, 12]
    assert [index for index, row in enumerate(rows) if row.failure] == [4]
    assert_adds_up(grades["weak"].outcome, ITEMS, 15)
    assert grades["weak"].outcome.details == GradeDetails(correct=4)


def test_a_second_run_gives_the_same_bytes(
    grades: dict[str, Made], train_prompts: Made, traces: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    settings = grade.GradeSettings(grader="marker", max_failure_share=1.0)
    inputs = {"prompts": train_prompts.path, "traces": traces["weak"]}
    run(grade, settings, inputs, {"grades": tmp_path / "g.parquet"}, record)
    assert (tmp_path / "g.parquet").read_bytes() == grades["weak"].path.read_bytes()


def test_too_many_failures_stop_the_stage_without_a_table(
    train_prompts: Made, traces: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    settings = grade.GradeSettings(grader="marker", max_failure_share=0.1)
    inputs = {"prompts": train_prompts.path, "traces": traces["strong"]}
    with pytest.raises(StudyError, match=r"18\.8% of 16 rows failed.*grade\.max_failure_share"):
        run(grade, settings, inputs, {"grades": tmp_path / "g.parquet"}, record)
    assert list(tmp_path.iterdir()) == []


def test_grades_that_a_data_set_ships_are_counted_beside_ours(
    train_prompts: Made, traces: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    # Of weak's 16 traces ours says: 4 right, 11 wrong, 1 cannot be graded. Theirs: the first 12 right.
    rows = [replace(trace, source_correct=index < 12) for index, trace in enumerate(tables.read(traces["weak"], Trace))]
    tables.write(tmp_path / "shipped.parquet", Trace, rows)
    settings = grade.GradeSettings(grader="marker", max_failure_share=1.0)
    inputs = {"prompts": train_prompts.path, "traces": tmp_path / "shipped.parquet"}
    outcome = run(grade, settings, inputs, {"grades": tmp_path / "g.parquet"}, record)
    # Ours has 0, 3, 8 and 12 right; 4 has no answer.
    assert outcome.details.source_agreement == SourceAgreement(3, 3, 1, 8)


def test_what_a_grader_raises_is_the_failure_of_that_trace_and_is_told(
    train_prompts: Made,
    traces: dict[str, Path],
    record: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Rows 0 to 15 of strong's: three failed before any grader saw them."""
    marker, odd = plugins.load("graders.marker"), tables.read(traces["strong"], Trace)[5].text

    def raises_once(text: str, answers: list[str]) -> Any:
        if text == odd:
            raise OverflowError("cannot convert float infinity to integer")
        return marker(text, answers)

    monkeypatch.setattr("prefdelta.graders.marker.grade", raises_once)
    inputs = {"prompts": train_prompts.path, "traces": traces["strong"]}
    settings = grade.GradeSettings(grader="marker", max_failure_share=0.25)
    outcome = run(grade, settings, inputs, {"grades": tmp_path / "g.parquet"}, record)
    rows = read_checked(tmp_path / "g.parquet", Grade)
    assert [index for index, row in enumerate(rows) if row.failure == "grader_error"] == [5]
    assert outcome.failures["grader_error"] == 1
    assert outcome.details.grader_said == {"OverflowError: cannot convert float infinity to integer": 1}
    strict = settings.model_copy(update={"max_failure_share": 0.2})
    with pytest.raises(StudyError, match=r"1 grader_error.*grade\.max_failure_share allows 20\.0%"):
        run(grade, strict, inputs, {"grades": tmp_path / "strict.parquet"}, record)
    told = "1 traces cannot be graded: OverflowError: cannot convert float infinity to integer\n"
    assert capfd.readouterr().err.count(told) == 2  # in the log also where no table was written
