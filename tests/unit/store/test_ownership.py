import pytest

from prefdelta.core.errors import StudyError
from prefdelta.store import ownership
from prefdelta.store.ownership import Ownership


def test_a_claim_holds_until_another_process_claims_the_same_thing(tmp_path, monkeypatch):
    thing = tmp_path / "pair/a.manifest.json"
    ours = Ownership(tmp_path / "record", thing)
    ours.check()
    monkeypatch.setattr(ownership, "INSTANCE", "other-7-abc")
    theirs = Ownership(tmp_path / "record", thing)
    theirs.check()
    monkeypatch.undo()
    with pytest.raises(StudyError, match=rf"{thing}: another instance of this job was started later \(other-7-abc"):
        ours.check()


def test_a_claim_is_lost_also_when_the_later_instance_has_finished(tmp_path, monkeypatch):
    ours = Ownership(tmp_path, tmp_path / "a")
    monkeypatch.setattr(ownership, "INSTANCE", "other-7-abc")
    Ownership(tmp_path, tmp_path / "a").release()
    monkeypatch.undo()
    with pytest.raises(StudyError, match="one that has finished"):
        ours.check()


def test_claims_on_different_things_do_not_disturb_each_other(tmp_path, monkeypatch):
    ours = Ownership(tmp_path, tmp_path / "a")
    monkeypatch.setattr(ownership, "INSTANCE", "other-7-abc")
    Ownership(tmp_path, tmp_path / "b")
    monkeypatch.undo()
    ours.check()


def test_a_released_claim_leaves_nothing(tmp_path):
    Ownership(tmp_path, tmp_path / "a").release()
    assert list((tmp_path / "claims").iterdir()) == []
