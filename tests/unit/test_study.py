"""What the jobs of the full study ask SLURM for, by the config's sections `compute` and `cluster`."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from prefdelta.study import Study

ROOT = Path(__file__).parents[2]
SITE = {"account": "lab", "partition": "cpu", "gpu_partition": "gpu", "gpu_model": "h100", "qos": "long"}


@pytest.fixture
def study_at(monkeypatch):
    monkeypatch.chdir(ROOT)
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return lambda cluster: Study({**content, "cluster": cluster}, "config.yaml")


def asked(resources, attempt=1, **wildcards):
    """The resources of a rule, as Snakemake works them out for a job."""
    names = SimpleNamespace(**wildcards)
    memory = ("mem_mb", "runtime")
    return {
        name: (value(names, attempt) if name in memory else value(names)) if callable(value) else value
        for name, value in resources.items()
    }


def test_a_site_that_says_nothing_leaves_all_to_slurm(study_at):
    found = asked(study_at({}).resources("judge"), generator="r1", form="logic")
    assert found == {"nodes": 1, "gpu": 4, "mem_mb": 256000, "runtime": 720}


def test_jobs_with_gpus_and_without_go_to_their_partitions(study_at):
    resources = study_at(SITE).resources("generate")
    shard, together = (asked(resources, generator="s1-32b", **more) for more in ({"shard": "0", "of": "12"}, {}))
    assert (shard["gpu"], shard["gpu_model"], shard["slurm_partition"]) == (4, "h100", "gpu")
    assert (together["gpu"], together["gpu_model"], together["slurm_partition"]) == (0, "", "cpu")
    assert (shard["slurm_account"], shard["qos"], shard["nodes"]) == ("lab", "long", 1)
    assert "tasks" not in shard, "it would become --ntasks-per-gpu"


def test_without_a_partition_for_gpus_theirs_is_that_of_all(study_at):
    assert (
        asked(study_at({"partition": "all"}).resources("judge"), generator="r1", form="logic")["slurm_partition"]
        == "all"
    )
    only = study_at({"gpu_partition": "gpu"}).resources
    assert asked(only("judge"), generator="r1", form="logic")["slurm_partition"] == "gpu"
    assert asked(only("pair"), chosen="r1", rejected="s1-3b")["slurm_partition"] == ""


def test_a_second_attempt_gets_twice_the_memory_and_time_and_no_more_gpus(study_at):
    first, second = (
        asked(study_at(SITE).resources("judge"), attempt, generator="r1", form="logic") for attempt in (1, 2)
    )
    assert (second["mem_mb"], second["runtime"]) == (2 * first["mem_mb"], 2 * first["runtime"])
    assert second["gpu"] == first["gpu"]
