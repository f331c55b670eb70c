import os
from pathlib import Path

import pytest

from prefdelta.reporting.claims.verdicts import read_claims
from prefdelta.store import registrations
from prefdelta.study import registration
from prefdelta.study.registration import register_claims
from prefdelta.study.study import Study
from small import small

ROOT = Path(__file__).parents[3]


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    monkeypatch.chdir(ROOT)
    found = Study(small(), "small.yaml")
    found.record = str(tmp_path)
    return found


def test_every_claim_is_registered_with_what_the_study_could_see(study):
    register_claims(study)
    (found,) = registrations.read(Path(study.record))
    claims = {claim.id: claim for claim in read_claims(Path("resources/claims.yaml")).claims}
    assert found.claims == {name: claim.digest() for name, claim in claims.items()}
    assert found.trained == 0
    slope = found.planned["generator-delta"][0]
    assert slope.title.startswith("slope of the gain along g1, gx, g2, g3, g4 over g0 · common-scaling · dpo · pa · ")
    assert slope.n == 1000
    assert slope.detectable is not None
    assert 0 < slope.detectable < slope.effect
    assert found.planned["data-efficiency-at-equal-updates"] == []  # mini lacks the arms
    assert found.assumptions["run_sd"] == "1"


def test_a_study_without_arms_registers_its_claims(study, monkeypatch):
    content = small()
    content["experiments"], content["filter"]["sets"], content["report"]["overlap"] = {}, {}, None
    for group in content["evaluate"]["groups"].values():
        group.pop("experiments", None)
    bare = Study(content, "small.yaml")
    bare.record = study.record
    register_claims(bare)
    (found,) = registrations.read(Path(study.record))
    assert found.claims
    assert not any(found.planned.values())


def test_a_study_that_cannot_be_planted_runs_without_planned_numbers(study, monkeypatch, capsys):
    def fails(*_):
        raise ValueError("no such shape")

    monkeypatch.setattr(registration, "smallest_effects", fails)
    register_claims(study)
    (found,) = registrations.read(Path(study.record))
    assert (bool(found.claims), found.planned) == (True, {})
    assert "no such shape" in capsys.readouterr().err


def test_a_second_run_registers_nothing(study):
    register_claims(study)
    (path,) = (Path(study.record) / registrations.FOLDER).iterdir()
    os.utime(path, (1, 1))
    register_claims(study)
    assert path.stat().st_mtime == 1
