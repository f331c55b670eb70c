"""Rows that failed, by stage, reason and generator."""

import json

import pytest

from prefdelta.records.manifest import Manifest
from prefdelta.reporting.manifests import FinishedJob
from prefdelta.reporting.numbers.jobs.failures import CONSEQUENCES, failure_lines, generator_failures


def job(stage: str, name: str, rows: int, **failures: int) -> FinishedJob:
    run = {"started": "2026-01-01T00:00:00Z", "seconds": 1.0, "cpu_seconds": 1.0, "peak_mib": 1}
    content = {"stage": stage, "rows": rows, "failures": failures, "details": {}, "settings": {}, "run": run}
    return FinishedJob(name, Manifest.from_json(json.dumps(content)))


JOBS = [
    job("generate", "g1", 90, too_long=9),
    job("generate", "g1/shard-0-of-2", 45, too_long=9),  # of the job above
    job("generate", "g1@1", 10),
    job("grade", "g1", 90, truncated=18, no_answer=9, time_out=3),
    job("grade", "g1@1", 10, truncated=2),
    job("judge", "g1/both", 100, not_json=1),
    job("judge", "g1/again", 100),
]


def test_reasons_are_summed_by_stage_the_frequent_ones_first() -> None:
    lines = [(line.stage, line.reason, line.failed, line.rows) for line in failure_lines(JOBS)]
    assert lines == [
        ("generate", "too_long", 9, 100),
        ("grade", "truncated", 20, 100),
        ("grade", "no_answer", 9, 100),
        ("grade", "time_out", 3, 100),
        ("judge", "not_json", 1, 200),
    ]
    assert all(line.consequence == CONSEQUENCES[line.stage] for line in failure_lines(JOBS))


def test_a_generators_draws_and_forms_are_counted_together_and_its_shards_not_twice() -> None:
    (found,) = generator_failures(JOBS)
    assert (found.generator, found.traces) == ("g1", 100)
    assert found.share("generate") == pytest.approx(0.09)
    assert found.share("grade", "truncated") == pytest.approx(0.2)
    assert found.otherwise("grade", "truncated", "no_answer") == pytest.approx(0.03)
    assert found.share("judge") == pytest.approx(1 / 200)
    assert generator_failures([job("generate", "g2", 0)])[0].share("generate") is None
