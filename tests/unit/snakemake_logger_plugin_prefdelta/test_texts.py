"""The words of the display."""

import json
from pathlib import Path

import pytest

from snakemake_logger_plugin_prefdelta.texts import cause, planned, printable, verdicts


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("Missing output files: results/mini/grade/g3.parquet", "missing output files"),
        (
            "Missing output files: results/a; Input files updated by another job: results/b, results/c",
            "missing output files",
        ),
        ("Input files updated by another job: results/b", "input files updated by another job"),
        (
            "Updated input files: resources/rubrics/factuality.md, results/mini/generate/g3.parquet",
            "updated input files: resources/rubrics/factuality.md",
        ),
        ("Updated input files: a.md, b.md, c.md", "updated input files: a.md, b.md and 1 more"),
        ("Params have changed since last execution: settings", "params have changed since last execution"),
        (
            "Code has changed since last execution; Forced execution",
            "code has changed since last execution; forced execution",
        ),
        ("", "snakemake gives no reason"),
    ],
)
def test_a_reason_is_told_without_the_files_that_the_run_makes(reason: str, told: str) -> None:
    assert cause(reason) == told


def test_a_dry_run_is_a_line_per_stage_and_cause() -> None:
    causes = {("judge", "forced execution"): 2, ("judge", "updated input files: a.md"): 20, ("report", "x"): 1}
    assert planned(causes, {"judge": 22, "report": 1}, "prefdelta plan")[:4] == [
        "23 jobs would run:",
        "  judge          2  forced execution",
        "  judge         20  updated input files: a.md",
        "  report         1  x",
    ]


def test_signs_that_control_a_terminal_are_shown() -> None:
    assert printable("a\x1b[31mred\x07\r\nb\tc") == "a\\x1b[31mred\\x07\\r\nb    c"


def test_a_report_without_verdicts_is_still_named_and_none_is_not(tmp_path: Path) -> None:
    assert verdicts(tmp_path) == []
    (tmp_path / "report").mkdir()
    (tmp_path / "report/index.html").write_text("<!doctype html>")
    (tmp_path / "report/index.manifest.json").write_text(json.dumps({"details": {}}))
    assert verdicts(tmp_path) == [f"the report: {tmp_path}/report/index.html"]
    (tmp_path / "browse").mkdir()
    (tmp_path / "browse/index.html").write_text("<!doctype html>")
    assert verdicts(tmp_path)[1:] == [f"the pairs: {tmp_path}/browse/index.html"]
