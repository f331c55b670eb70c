"""Counts, rate and time left of a run, by numbers made by hand."""

import json
from pathlib import Path

import pytest

from prefdelta.system import events
from prefdelta.system.events import Report
from snakemake_logger_plugin_prefdelta.run_state import RunState, ShownJob
from snakemake_logger_plugin_prefdelta.texts import progress

STATS = {"prompts": 1, "judge": 6, "train_pa_g3_g1_dpo": 1, "all": 1, "total": 9}
START = 1000.0


def job(name: str, began: float) -> ShownJob:
    found = ShownJob.of({"log": [f"results/mini/logs/{name}.log"]}, began)
    assert found is not None
    return found


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunState:
    """Of 6 jobs of judge two have taken 10 s each, at once; a third has run for 4 s. One job has failed."""
    monkeypatch.chdir(tmp_path)
    made = RunState()
    made.plan(STATS)
    made.start(1, job("judge/g0/logic", START))
    made.start(2, job("judge/g1/logic", START))
    made.finish(1, START + 10)
    made.finish(2, START + 10)
    made.start(3, job("judge/g2/logic", START + 10))
    return made


def test_a_job_is_named_by_its_log_and_the_rule_all_is_none() -> None:
    found = job("train/pa/g3~g1/dpo-s0-all", 1.0)
    assert (found.stage, found.name) == ("train", "train/pa/g3~g1/dpo-s0-all")
    assert found.manifest == Path("results/mini/train/pa/g3~g1/dpo-s0-all.manifest.json")
    assert ShownJob.of({"log": []}, 1.0) is None
    assert ShownJob.of({"log": ["elsewhere.log"]}, 1.0) is None


def test_rules_are_counted_by_stage_without_the_target(state: RunState) -> None:
    assert (dict(state.jobs), state.total) == ({"prompts": 1, "judge": 6, "train": 1}, 8)
    assert dict(state.done) == {"judge": 2}


def test_the_time_left_is_the_mean_of_a_stage_times_its_jobs_over_those_that_run_at_once(state: RunState) -> None:
    # At 14 s: 2 × 10 + 4 s of work were done in 14 s. Left: 3 × 10 s, and 6 s of the third.
    left, unknown = state.seconds_left(START + 14)
    assert left == pytest.approx(36 / (24 / 14))
    assert unknown == ["prompts", "train"]
    assert progress(state, START + 14) == (
        "judge  2 of 8 jobs, 9/min, over 21 s left (prompts, train not measured yet), now judge/g2/logic"
    )


def test_a_stage_that_has_not_run_here_takes_as_long_as_its_earlier_jobs_did(state: RunState) -> None:
    for name, run in {
        "train/pa/a": {"seconds": 60.0, "computed": {"updates": 9}},
        "train/pa/b": {"seconds": 1.0, "computed": {"updates": 0}},  # all of it was in the record
        "prompts/train": {"seconds": 4.0, "computed": {}},
    }.items():
        path = Path(f"results/mini/{name}.manifest.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"run": run}))
    left, unknown = state.seconds_left(START + 14)
    assert (left, unknown) == (pytest.approx((36 + 60 + 4) / (24 / 14)), [])


def test_a_running_job_that_reports_takes_what_it_says(state: RunState) -> None:
    running = job("judge/g2/logic", 0.0)
    path = Path("results/mini/logs/judge/g2/logic.events.jsonl")
    events.begin(path, "run")
    events.report(Report("judge g2", 30, 40, "requests", 3.0, 2.5))
    state.running[3] = running
    assert "now judge/g2/logic 75%" in progress(state, START + 14)
    assert running.left == 2.5


def test_events_of_an_earlier_run_are_not_taken_for_a_jobs_own(state: RunState) -> None:
    events.begin(Path("results/mini/logs/judge/g2/logic.events.jsonl"), "run")
    events.report(Report("judge g2", 30, 40, "requests", 3.0, 2.5))
    state.running[3] = job("judge/g2/logic", 1e12)
    assert "now judge/g2/logic" in progress(state, 1e12 + 1)
    assert "%" not in progress(state, 1e12 + 1)


def test_a_failed_job_counts_until_it_is_tried_again(state: RunState) -> None:
    state.fail(3)
    assert "2 of 8 jobs, 1 failed, " in progress(state, START + 14)
    state.try_again("judge/g2/logic")
    assert "failed" not in progress(state, START + 14)
