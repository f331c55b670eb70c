"""What the jobs of the full study ask SLURM for, by the config's sections `compute` and `cluster`."""

import yaml

from .conftest import ROOT

SITE = {"account": "lab", "partition": "cpu", "gpu_partition": "gpu", "gpu_model": "h100", "qos": "long"}


def asked(resources, attempt=1, **wildcards):
    """The resources of a rule, as Snakemake works them out for a job."""
    memory = ("mem_mb", "runtime")
    return {
        name: (value(wildcards, attempt) if name in memory else value(wildcards)) if callable(value) else value
        for name, value in resources.items()
    }


def test_a_site_that_says_nothing_leaves_all_to_slurm(study_at):
    found = asked(study_at({}).resources("judge"), generator="r1", form="logic")
    assert found == {"nodes": 1, "gpu": 4, "mem_mb": 256000, "runtime": 720}


def test_jobs_with_gpus_and_without_go_to_their_partitions(study_at):
    study = study_at(SITE)
    shard = asked(study.resources("generate_shard"), generator="s1-32b", shard="0", of="12")
    together = asked(study.resources("generate"), generator="s1-32b")
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


def test_a_judge_that_runs_elsewhere_needs_no_gpu(study_at):
    judge = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["judge"]
    hosted = {"name": "openai", "model": "m", "base_url": "https://api.example.com/v1", "api_key_env": "K"}
    study = study_at(SITE, judge={**judge, "model": None, "engine": hosted})
    found = asked(study.resources("judge"), generator="r1", form="logic")
    assert (found["gpu"], found["slurm_partition"]) == (0, "cpu")
