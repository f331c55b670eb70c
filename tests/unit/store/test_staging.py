import pytest

from prefdelta.core.errors import StudyError
from prefdelta.store import ownership
from prefdelta.store.ownership import Ownership
from prefdelta.store.staging import Staging


def staged(tmp_path):
    outputs = {"policies": [tmp_path / "train/x/s0/policy.json", tmp_path / "train/y/s0/policy.json"]}
    return Staging(outputs), outputs["policies"]


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_outputs_get_their_final_names_together(tmp_path):
    staging, finals = staged(tmp_path)
    for path in staging.paths["policies"]:
        path.write_text(path.name)
    assert not any(path.exists() for path in finals)
    claim = Ownership(tmp_path / "record", finals[0])
    staging.publish(claim)
    assert all(path.read_text() == "policy.json" for path in finals)
    staging.remove(claim)
    assert files(tmp_path / "train") == ["policy.json", "policy.json"]


def test_a_staged_path_has_the_folders_and_the_name_of_the_final_one(tmp_path):
    # Stages tell several outputs of one kind apart by these.
    staging, finals = staged(tmp_path)
    for path, final in zip(staging.paths["policies"], finals, strict=True):
        assert path.name == final.name
        assert path.parent.parent == final.parent


def test_what_was_not_published_is_removed(tmp_path):
    staging, finals = staged(tmp_path)
    finals[0].write_text("old")
    staging.paths["policies"][0].write_text("new, but its job failed")
    staging.remove(Ownership(tmp_path / "record", finals[0]))
    assert files(tmp_path / "train") == ["policy.json"]
    assert finals[0].read_text() == "old"


def test_what_a_killed_instance_of_the_job_staged_is_removed_and_nobody_elses(tmp_path, monkeypatch):
    final = tmp_path / "generate/g1.parquet"
    monkeypatch.setattr(ownership, "INSTANCE", "node-7-0123abcd")
    Ownership(tmp_path / "record", final)
    monkeypatch.undo()
    staging, claim = Staging({"traces": [final]}), Ownership(tmp_path / "record", final)
    for instance in ("node-7-0123abcd", "node-8-0123abcd"):
        (tmp_path / f"generate/.{instance}.staged").mkdir()
    staging.remove(claim)
    assert [path.name for path in (tmp_path / "generate").iterdir()] == [".node-8-0123abcd.staged"]


def test_a_folder_replaces_the_old_one_whole(tmp_path):
    final = tmp_path / "report/figures"
    final.mkdir(parents=True)
    (final / "old.svg").write_text("")
    staging = Staging({"figures": [final]})
    (path,) = staging.paths["figures"]
    path.mkdir()
    (path / "new.svg").write_text("")
    staging.publish(Ownership(tmp_path / "record", final))
    assert files(final) == ["new.svg"]


def test_nothing_is_published_over_a_later_instance(tmp_path, monkeypatch):
    staging, finals = staged(tmp_path)
    staging.paths["policies"][0].write_text("late")
    claim = Ownership(tmp_path / "record", finals[0])
    monkeypatch.setattr(ownership, "INSTANCE", "other-7-abc")
    Ownership(tmp_path / "record", finals[0])
    monkeypatch.undo()
    with pytest.raises(StudyError, match="another instance"):
        staging.publish(claim)
    assert not finals[0].exists()
