"""What the jobs of the full study ask SLURM for, by the config's sections `compute` and `cluster`."""

import json
from pathlib import Path

import pytest
import yaml

from prefdelta.study.study import Study

ROOT = Path(__file__).parents[3]
SITE = {"account": "lab", "partition": "cpu", "gpu_partition": "gpu", "gpu_model": "h100", "qos": "long"}


@pytest.fixture
def study_at(monkeypatch):
    monkeypatch.chdir(ROOT)
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return lambda cluster, **sections: Study({**content, "cluster": cluster, **sections}, "config.yaml")


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


def test_date_and_settings_of_chat_templates_reach_every_job_that_renders_one(study_at):
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    models = content["models"]
    for name, model in models.items():
        model["chat_template_kwargs"] = {"who": name}
    study = study_at({}, date="2026-03-05", models=models)
    of = {
        "generate": study.settings("generate")({"generator": "s1-3b"}),
        "reference": study.settings("reference")({"policy": "nemotron-8b", "generator": "r1"}),
        "judge": study.settings("judge")({"generator": "r1", "form": "logic"}),
        "train": study.train_batches[0].settings,
        "evaluate": study.evaluate_batches[0].settings,
    }
    who = {"generate": "s1-3b", "judge": "gpt-oss-120b"}
    for stage, found in of.items():
        rendering = {"date": "2026-03-05", "chat_template_kwargs": {"who": who.get(stage, "nemotron-8b")}}
        assert json.loads(found)["rendering"] == rendering, stage
    shipped = json.loads(study.settings("generate")({"generator": "r1"}))
    assert shipped["rendering"]["date"] != "2026-03-05", "no template is rendered for traces that are there"


def test_another_date_is_no_other_setting_of_jobs_whose_models_were_trained_here(monkeypatch):
    monkeypatch.chdir(ROOT)
    content = yaml.safe_load((ROOT / "resources/studies/mini.yaml").read_text(encoding="utf-8"))
    one, other = (Study({**content, "date": day}, "mini.yaml") for day in ("2026-03-05", "2026-03-06"))
    for stage, wildcards in (("generate", {"generator": "g1"}), ("reference", {"generator": "g1", "policy": "pa"})):
        assert one.settings(stage)(wildcards) == other.settings(stage)(wildcards)
    for batches in ("train_batches", "evaluate_batches"):
        assert [batch.settings for batch in getattr(one, batches)] == [b.settings for b in getattr(other, batches)]


def test_a_repeat_asks_the_judge_the_same_with_another_seed(study_at):
    settings_of = study_at({}).settings("judge")
    main, again, alone = (
        json.loads(settings_of({"generator": "s1-32b", "form": form}))
        for form in ("logic", "logic_again", "factuality")
    )
    assert {key for key in main if main[key] != again[key]} == {"seed", "prompts"}
    assert again["prompts"] == alone["prompts"] == 500
    assert main["seed"] == alone["seed"]


def test_an_experiment_shows_the_arms_that_should_have_got_as_many_updates(study_at):
    experiments = json.loads(study_at({}).settings("report")({}))["experiments"]
    assert experiments["few_updates"]["beside"] == [
        f"nemotron-8b/s1-32b~s1-3b/top-step_coherence-1000/dpo/s{seed}" for seed in (0, 1, 2)
    ]
    assert experiments["cells"]["beside"] == []


def test_pairs_are_made_of_the_samples_that_the_judge_rates(study_at):
    study = study_at({})
    judged = {
        name: json.loads(study.settings("judge")({"generator": name, "form": "logic"}))["samples"]
        for name in ("s1-3b", "s1-32b")
    }
    sides = {"chosen": "s1-32b", "rejected": "s1-3b"}
    assert json.loads(study.settings("pair")(sides))["judged"] == judged == {"s1-3b": 2, "s1-32b": 1}


def test_what_is_too_long_for_a_reference_is_too_long_for_every_method(study_at):
    study = study_at({})
    batches = [json.loads(batch.settings) for batch in study.train_batches]
    assert {one["recipe"]["method"] for one in batches} == {"dpo", "kto", "sft"}
    assert {one["max_length"] for one in batches} == {study.config.reference.max_length}
