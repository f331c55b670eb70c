"""What a run's jobs were planned with (`prefdelta.workflow.run_plan`)."""

import datetime
import os
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.workflow import run_plan

CONFIG = {"study": "s", "date": datetime.date(2026, 1, 2), "seed": 1, "models": {"b": {}, "a": {"size": 0.5}}}
MANIFEST = Path("results/s/judge/g/logic.manifest.json")


@pytest.fixture
def planned(tmp_path, monkeypatch):
    monkeypatch.setenv(run_plan.VARIABLE, "")
    run_plan.write(tmp_path, CONFIG, {str(MANIFEST): '{"engine": {"model": "m", "omit": []}, "seed": 1}'})
    return tmp_path / run_plan.FILE


def test_outside_a_run_nothing_is_planned(monkeypatch):
    monkeypatch.delenv(run_plan.VARIABLE, raising=False)
    assert run_plan.config() is None
    run_plan.check(MANIFEST, {"seed": 2})


@pytest.mark.usefixtures("planned")
def test_a_job_gets_the_config_as_the_main_process_has_read_it():
    assert run_plan.config() == CONFIG
    assert list(run_plan.config()["models"]) == ["b", "a"]  # the order of models is that of the page


@pytest.mark.usefixtures("planned")
def test_only_a_job_with_its_own_settings_goes_on():
    run_plan.check(MANIFEST, {"seed": 1, "engine": {"omit": [], "model": "m"}})
    run_plan.check(MANIFEST.with_name("asked-for-by-name.manifest.json"), {"seed": 2})
    with pytest.raises(
        StudyError, match=r'engine\.model: "m" -> "n"; engine\.omit: \[\] -> \["seed"\]; extra: null -> 1'
    ):
        run_plan.check(MANIFEST, {"seed": 1, "engine": {"omit": ["seed"], "model": "n"}, "extra": 1})


def test_a_plan_that_is_gone_or_of_a_later_run_is_refused(planned, monkeypatch):
    run, _, path = os.environ[run_plan.VARIABLE].partition(" ")
    monkeypatch.setenv(run_plan.VARIABLE, f"{run}x {path}")
    with pytest.raises(StudyError, match="another run has begun"):
        run_plan.config()
    planned.write_text("{")
    with pytest.raises(StudyError, match="cannot be read"):
        run_plan.check(MANIFEST, {})
