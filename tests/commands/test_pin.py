"""`prefdelta pin`: every name to a commit, asked of a hub on loopback by the real client."""

import shutil

import pytest
import yaml

from prefdelta.core.pins import Pins
from prefdelta.study.study import Study
from unit.loopback_hub import LoopbackHub, Machine

from .made import ROOT

MODEL, DATA = "owner/tiny", "owner/maths"
MODEL_FILES = {"config.json": b"{}", "model.safetensors": b"12345", "original/model.safetensors": b"12", "x.bin": b"x"}
DATA_FILES = {"README.md": b"# maths\n", "test.jsonl": b'{"a": 1}\n', "maths.py": b"raise SystemExit"}
LOCK = "resources/pins.lock.json"


@pytest.fixture
def hub():
    hub = LoopbackHub()
    hub.push(MODEL, MODEL_FILES, card={"license": "other", "license_name": "open-weights"})
    hub.push(f"datasets/{DATA}", DATA_FILES, card={"license": ["mit", "cc-by-4.0"]})
    yield hub
    if hub.running:
        hub.stop()


@pytest.fixture
def machine(hub, tmp_path):
    return Machine(tmp_path / "machine", hub.endpoint)


def table(done):
    """Name -> the rest of its line."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in done.stdout.splitlines()[1:]}


def test_names_become_commits_with_sizes_and_licences(hub, machine):
    done = machine.pin(MODEL, f"datasets/{DATA}")
    assert (done.returncode, done.stderr) == (0, "")
    model, data = hub.repositories[MODEL].main, hub.repositories[f"datasets/{DATA}"].main
    assert machine.lock == {
        "models": {
            MODEL: {
                "revision": model,
                "bytes": 7,
                "licence": "open-weights",
                "files": {"config.json": 2, "model.safetensors": 5},
            }
        },
        "datasets": {
            DATA: {
                "revision": data,
                "bytes": 17,
                "licence": "mit, cc-by-4.0",
                "files": {"README.md": 8, "test.jsonl": 9},
            }
        },
    }
    text = (machine.folder / LOCK).read_text()
    assert Pins.read(text, LOCK).text() == text
    assert table(done)[MODEL] == f"model {model[:12]} 7 B open-weights new"
    assert table(done)[DATA] == f"data set {data[:12]} 17 B mit, cc-by-4.0 new"


def test_a_pin_stays_until_it_is_updated_and_the_others_stay_then(hub, machine):
    machine.pin(MODEL, f"datasets/{DATA}")
    before = machine.lock
    hub.push(f"datasets/{DATA}", {**DATA_FILES, "test.jsonl": b'{"a": 2}\n'})
    new = hub.push(MODEL, {**MODEL_FILES, "model.safetensors": b"123456"})
    kept = machine.pin(MODEL)
    assert machine.lock == before
    assert table(kept)[MODEL].endswith("kept")
    dry = machine.pin("--update", "--dry-run", MODEL)
    assert machine.lock == before
    assert "nothing was changed" in dry.stdout
    done = machine.pin("--update", MODEL)
    old = before["models"][MODEL]["revision"]
    assert table(done)[MODEL] == f"model {new[:12]} 8 B open-weights updated, was {old[:12]}"
    assert machine.lock["models"][MODEL] | {"revision": old} != before["models"][MODEL]
    assert machine.lock["datasets"] == before["datasets"]
    assert table(machine.pin("--update", MODEL))[MODEL].endswith("unchanged")


def test_what_cannot_be_pinned_is_told_and_the_rest_is_written(hub, machine):
    hub.push("owner/gated", MODEL_FILES, gated=True)
    hub.push("owner/pickles", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    hub.push("datasets/owner/pictures", {"a.png": b"x"})
    names = ["owner/gated", "owner/missing", "owner/pickles", "datasets/owner/pictures", "a b/c", MODEL]
    done = machine.pin(*names, HF_TOKEN="hf_secret")
    assert done.returncode == 2
    assert list(machine.lock["models"]) == [MODEL]
    for told in (
        "5 of 6 failed",
        f"owner/gated: access to this model is granted by its owners. Ask for it on {hub.endpoint}/owner/gated",
        f"owner/missing: {hub.endpoint}/owner/missing does not exist, or is private",
        "owner/pickles: this model has no model.safetensors and no model.safetensors.index.json",
        "owner/pictures: this repository has no files that may be loaded",
        "a b/c: not a name of the hub",
    ):
        assert told in done.stderr
    assert table(done)["owner/gated"].endswith("failed")
    assert hub.tokens == {"Bearer hf_secret"}
    assert "secret" not in done.stdout + done.stderr + (machine.folder / LOCK).read_text()


@pytest.mark.parametrize("variables", [{"HF_HUB_OFFLINE": "1"}, {}])
def test_without_a_hub_nothing_is_pinned_and_an_old_pin_stays(hub, machine, variables):
    machine.pin(MODEL)
    before = machine.lock
    hub.stop()
    done = machine.pin("--update", MODEL, **variables)
    assert done.returncode == 2
    assert "HF_HUB_OFFLINE is set" in done.stderr or "cannot be reached" in done.stderr
    assert "Run this where it can be." in done.stderr
    assert table(done)[MODEL].endswith("failed, kept")
    assert machine.lock == before


def test_what_is_fetched_is_there_without_a_hub(hub, machine):
    hub.push(f"datasets/{DATA}", {"test.jsonl": b'{"a": 1}\n'})
    done = machine.pin("--fetch", f"datasets/{DATA}")
    assert done.returncode == 0, done.stderr
    assert f"fetched: datasets/{DATA}" in done.stdout
    hub.stop()
    commit = machine.lock["datasets"][DATA]["revision"]
    rows = f"list(data_sets.dataset_rows({DATA!r}, {commit!r}, None, 'test'))"
    assert machine.call(rows, HF_HUB_OFFLINE="1") == [{"a": 1}]


def test_a_model_that_turns_out_not_to_be_whole_is_told_when_it_is_fetched(machine):
    done = machine.pin("--fetch", MODEL)
    assert done.returncode == 2
    assert "model.safetensors is not a complete safetensors file" in done.stderr
    assert list(machine.lock["models"]) == [MODEL]


def test_a_local_folder_and_a_spoilt_lock_are_told_before_anything_is_asked(machine):
    assert "a local folder, which is known by its content" in machine.pin("./folder").stderr
    (machine.folder / LOCK).write_text("{]")
    done = machine.pin(MODEL)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: {LOCK}: not a lock file of pins" in done.stderr


# --- names that a study uses ------------------------------------------------------------------------------------------


@pytest.fixture
def full(machine):
    """The full study, in the machine's checkout. Its names are on the hub, with other content."""
    for name in ("resources", "profiles"):
        shutil.copytree(ROOT / name, machine.folder / name)
    shutil.copy(ROOT / "config.yaml", machine.folder)
    (machine.folder / LOCK).write_text(Pins().text())
    return yaml.safe_load((machine.folder / "config.yaml").read_text())


def test_all_that_the_full_study_uses_is_pinned_by_one_command(hub, machine, full, monkeypatch):
    monkeypatch.chdir(machine.folder)
    study = Study(full, "config.yaml")
    assert study.unpinned
    for name in study.hub_names["models"]:
        hub.push(name, MODEL_FILES)
    for name in study.hub_names["datasets"]:
        hub.push(f"datasets/{name}", DATA_FILES)
    done = machine.pin()
    assert done.returncode == 0, done.stderr
    assert {kind: sorted(pins) for kind, pins in machine.lock.items()} == study.hub_names
    assert Study(full, "config.yaml").unpinned == []


def test_a_name_that_the_study_does_not_use_is_told_with_the_nearest(machine, full):
    done = machine.pin("--configfile", "config.yaml", "datasets/openai/gsm9k")
    assert done.returncode == 2
    assert "datasets/openai/gsm9k: the study" in done.stderr
    assert "Did you mean datasets/openai/gsm8k?" in done.stderr


def test_a_study_without_the_hub_has_nothing_to_pin(machine, full):
    done = machine.pin("--configfile", "resources/studies/mini.yaml")
    assert done.returncode == 2
    assert "uses nothing from the hub" in done.stderr
