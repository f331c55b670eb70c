"""config.yaml as it is, on data sets in their true formats: pinned, decontaminated, made into prompts and traces."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.study.study import Study
from unit.loopback_hub import LoopbackHub, Machine

from .formats import FLAWED, TRAINING_PROBLEMS, write_all
from .tiny import ROOT

WEIGHTS = {"config.json": b"{}", "model.safetensors": b"\x02\0\0\0\0\0\0\0{}"}
PROMPTS = {
    "train": TRAINING_PROBLEMS - 1,  # one overlaps with gsm8k
    "gsm8k": 3,
    "math_500": 3,
    "amc": 3,
    "aime_2024": 2,
    "aime_2025": 2,
    "olympiadbench": 2,
    "theoremqa": 5,
    "mmlu_pro": 3,
    "livecodebench": 2,
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A checkout of the full study, and a hub that has what it names."""
    folder = tmp_path / "machine"
    folder.mkdir()
    for name in ("Snakefile", "workflow", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "resources", folder / "resources")
    (folder / "resources/pins.lock.json").write_text('{"models": {}, "datasets": {}}')
    shutil.copy(ROOT / "config.yaml", folder)
    hub = LoopbackHub()
    for name, data in write_all(tmp_path / "data").items():
        files = {str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()}
        hub.push(f"datasets/{name}", files)
    monkeypatch.chdir(folder)
    for name in Study(yaml.safe_load(Path("config.yaml").read_text()), "config.yaml").hub_names["models"]:
        hub.push(name, WEIGHTS)
    yield Machine(folder, hub.endpoint)
    hub.stop()


def test_the_full_study_s_data_is_pinned_decontaminated_and_read_to_the_end(machine: Machine) -> None:
    pinned = machine.pin("--fetch", "--configfile", "config.yaml")
    assert pinned.returncode == 0, pinned.stderr
    done = machine.run("-m", "prefdelta.commands.main", "decontaminate", "--configfile", "config.yaml")
    assert done.returncode == 0, done.stderr
    assert "1 prompts to leave out" in done.stdout
    targets = [f"results/full/prompts/{name}.parquet" for name in PROMPTS]
    jobs = machine.run("-m", "snakemake", "--cores", "2", *targets, "results/full/generate/r1.parquet")
    assert jobs.returncode == 0, jobs.stderr[-3000:]

    found = {name: tables.read(machine.folder / f"results/full/prompts/{name}.parquet", Prompt) for name in PROMPTS}
    assert {name: len(rows) for name, rows in found.items()} == PROMPTS
    manifests = {
        name: json.loads((machine.folder / f"results/full/prompts/{name}.manifest.json").read_text())
        for name in PROMPTS
    }
    assert manifests["train"]["failures"] == FLAWED | {"contaminated": 1}
    assert manifests["mmlu_pro"]["details"] == {"repeated_and_counted": 1}
    traces = tables.read(machine.folder / "results/full/generate/r1.parquet", Trace)
    assert {trace.prompt_id for trace in traces} == {prompt.prompt_id for prompt in found["train"]}
    assert all(trace.usable and trace.source_correct for trace in traces)
