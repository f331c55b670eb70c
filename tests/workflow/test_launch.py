"""How a training's processes are started: what its rule asks for, and tells its stage."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdelta.core.launch import Launch
from prefdelta.study.job import ArmBatch
from prefdelta.study.study import Study

from .planning import CONFIG, make_checkout, snakemake

ROOT = Path(__file__).parents[2]
OWN = {"nodes": 2, "partition": "preemptible"}
CLUSTER = {"partition": "short", "gpu_partition": "long", "gpu_model": "h100"}


def batches(monkeypatch: pytest.MonkeyPatch, **train: Any) -> tuple[ArmBatch, ArmBatch]:
    """A training of the mini study with `compute.train` as given, and an evaluation."""
    monkeypatch.chdir(ROOT)
    content = yaml.safe_load(Path(CONFIG).read_text())
    content["compute"]["train"] = {"threads": 16, "gpus": 8, "mem_mb": 1000, "runtime": 60, **train}
    content["cluster"] = CLUSTER
    study = Study(content, CONFIG)
    return study.train_batches[0], study.evaluate_batches[0]


def launch(batch: ArmBatch, attempt: int = 1) -> Launch:
    return Launch.model_validate_json(batch.resources["launch"](None, attempt))


def test_a_training_on_one_node_is_an_ordinary_job_which_knows_how_weights_are_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, evaluate = batches(monkeypatch, fsdp={"cpu_offload": True})
    assert (train.is_local, train.threads, train.resources["gpu"](None)) == (False, 16, 8)
    assert train.resources["slurm_partition"](None) == "long"
    assert launch(train) == Launch.model_validate({"fsdp": {"cpu_offload": True}})
    assert "launch" not in evaluate.resources


def test_one_that_asks_for_a_job_of_its_own_waits_on_one_core_and_asks_for_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, evaluate = batches(monkeypatch, submitit=OWN)
    assert (train.is_local, train.threads, list(train.resources)) == (True, 1, ["launch"])
    assert not evaluate.is_local
    for attempt in (1, 2):
        asked = launch(train, attempt)
        assert (asked.gpus, asked.cpus, asked.cluster.gpu_model, asked.partition) == (8, 16, "h100", "preemptible")
        assert (asked.mem_mb, asked.runtime) == (attempt * 1000, attempt * 60)


def test_snakemake_passes_it_on_and_runs_the_rule_where_it_runs_itself(tmp_path: Path) -> None:
    folder = make_checkout(tmp_path / "study")
    content = yaml.safe_load((folder / CONFIG).read_text())
    content["compute"]["train"]["submitit"] = OWN
    (folder / CONFIG).write_text(yaml.safe_dump(content))
    printed = snakemake(folder, "-n", "--printshellcmds")
    told = re.findall(r" prefdelta\.stages\.train .* --launch '(.+)' 2> ", printed)
    assert len(told) == printed.count("prefdelta.stages.train") > 0
    assert all(json.loads(text)["submitit"] == OWN for text in told)
    # A dry run does not tell which rules are local.
    assert "        localrule: batch.is_local\n" in (folder / "workflow/rules/train.smk").read_text()
