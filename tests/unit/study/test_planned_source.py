"""The digests of source that a run exports to its jobs."""

import json
import os

from prefdelta.workflow.job_source import PLANNED


def test_digests_are_exported_only_once_the_study_is_told_to(mini, monkeypatch):
    monkeypatch.setenv(PLANNED, "")
    study = mini()
    codes = {job.code for job in study.jobs("pair")}
    monkeypatch.setenv(PLANNED, "of another run")
    again = mini()
    again.export_planned()
    assert {job.code for job in again.jobs("pair")} == codes
    assert next(iter(again.jobs("grade"))).code
    exported = json.loads(os.environ[PLANNED])
    assert {exported["pair"]} == codes
    assert len(exported) == 2
