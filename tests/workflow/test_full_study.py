"""The full study of config.yaml: what it plans, on a machine without GPUs, SLURM or network, and what it refuses."""

import json
import re
import resource
import shutil
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdelta.study.config.files import parse
from prefdelta.study.study import Study
from prefdelta.training.budgets import count_updates
from workflow.test_dry_run import ROOT, jobs_planned, snakemake

CONFIG = ROOT / "config.yaml"
SECONDS = 10.0  # of CPU, for the whole plan: it waits for nothing, and wall time would measure what else runs here
MOST_JOBS = 2500

# Counted by hand from the axes in config.yaml: pairings x selections x recipes x seeds = arms, of which so many are not
# in an experiment above. Where draws are per seed, each seed is on another draw of traces.
EXPERIMENTS = {
    "methods": (12, 12),  # 2 x 1 x 2 x 3
    "methods_others": (9, 5),  # 3 x 1 x 3 x 1; methods has SFT and DPO of 2 of the 3 pairings: 4
    "methods_lora": (3, 3),  # 1 x 1 x 3 x 1
    "scaling": (12, 6),  # 4 x 1 x 1 x 3; methods has 2 of the 4 pairings by DPO: 6
    "scaling_r1": (5, 0),  # 5 x 1 x 1 x 1; all in scaling and methods_others
    "grid": (27, 18),  # 9 x 1 x 1 x 3; scaling has 3 of the pairings: 9
    "alike": (9, 9),  # 3 x 1 x 1 x 3
    "cells": (12, 12),  # 1 x 4 x 1 x 3
    "cells_alike": (6, 6),  # 1 x 2 x 1 x 3
    "filtering": (66, 66),  # 1 x (5 dimensions x 4 k + all + random) x 1 x 3
    "top_controls": (12, 9),  # 1 x 4 x 1 x 3; filtering has the top one: 3
    "own_mistakes": (9, 6),  # 1 x 3 x 1 x 3; filtering has the random one: 3
    "filtering_controls": (9, 9),  # 1 x (3 top, 1 bottom, 3 matched, 2 random) x 1 x 1
    "few_updates": (3, 3),  # 1 x 1 x 1 x 3
    "many_updates": (9, 9),  # 1 x (1 top, 1 matched, 1 random) x 1 x 3
    "swapped": (2, 1),  # 1 x 2 x 1 x 1; filtering has `all`
}
ARMS = 174

JOBS = {
    "prompts": 10,  # the training prompts and 9 benchmarks
    # 5 generators, and shards of four of them: 2 + 2 + 4 + 12; these four in two more draws of their traces.
    "generate": 25 + 2 * 24,
    "grade": 5 + 2 * 4,
    # 5 generators x 2 forms; on a sample, 2 generators x (5 forms of one dimension each, the 2 again); in two more
    # draws, the 2 generators whose pairs are selected by delta x 2 forms.
    "judge": 10 + 14 + 2 * 4,
    "pair": 11 + 2 * 10,  # 5 of scaling, 6 more of the grid; R1 has no other draw
    "delta": 11 * 6 + 2 * 5,  # pairings x (5 dimensions + their mean); in other draws, those that pairs are selected by
    # Common, one per pairing: 11 + 2 x 10. s1-32b over s1-3b: cells 4 x 3, all 3, swapped 1, random-5000 3, random-1000
    # 3, random-2500 1. By a value, one per seed: alike 9 + 3, right over wrong 3, filtering 20 x 3, top_controls 3 x 3,
    # own mistakes 6, controls 7.
    "filter": 31 + 23 + 97,
    "reference": 13,  # one policy, 5 generators, 4 of them in two more draws
    "train": ARMS,
    "evaluate": (ARMS + 4) * 3,  # with the untrained policy at 4 temperatures, on maths, STEM and code
    "browse": 1,
    "report": 1,
}


def arms_of(study: dict[str, Any], experiments: Iterable[str]) -> set[tuple[str, ...]]:
    """Every combination of an experiment's lists is an arm; experiments may share arms."""
    axes = ("policies", "pairings", "selections", "recipes", "seeds")
    lists = [[map(str, study["experiments"][name][axis]) for axis in axes] for name in experiments]
    return {arm for found in lists for arm in product(*found)}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Snakefile", "config.yaml", "workflow", "profiles", "slurm", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def cpu_seconds() -> float:
    """Of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_whole_plan_is_made_in_seconds_without_a_cluster(checkout: Path) -> None:
    started = cpu_seconds()
    done = snakemake(checkout, "--profile", "slurm", forked=False)
    took = cpu_seconds() - started
    assert done.returncode == 0, done.stdout
    assert jobs_planned(done.stdout) == {**JOBS, "all": 1, "total": sum(JOBS.values()) + 1}
    assert sum(JOBS.values()) <= MOST_JOBS
    told = ", ".join(f"{stage} {count}" for stage, count in JOBS.items())
    assert f"study full: {ARMS} trained arms and 1 untrained, {sum(JOBS.values())} jobs: {told}" in done.stdout
    assert took < SECONDS
    assert not (checkout / "results").exists()


def test_every_experiment_has_the_arms_that_its_axes_make() -> None:
    study = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    seen: set[tuple[str, ...]] = set()
    found = {}
    for name in study["experiments"]:
        arms = arms_of(study, [name])
        found[name] = (len(arms), len(arms - seen))
        seen |= arms
    assert found == EXPERIMENTS
    assert len(seen) == ARMS


def test_a_dry_run_warns_of_what_is_not_pinned_and_a_run_refuses(checkout: Path) -> None:
    dry = snakemake(checkout, "--profile", "slurm")
    real = snakemake(checkout, "--profile", "slurm", dry=False)
    assert dry.returncode == 0
    assert real.returncode != 0
    for done in (dry, real):
        assert "not pinned to a commit: nvidia/Llama-3.1-Nemotron-Nano-8B-v1, openai/gpt-oss-120b," in done.stdout
        assert "`prefdelta pin`" in done.stdout
    assert "Nothing was started" in real.stdout
    assert "Traceback" not in real.stdout
    assert not (checkout / "results").exists()


def carrying(test: dict[str, Any], arms: Iterable[tuple[str, ...]]) -> list[set[tuple[str, ...]]]:
    """For each side of a claim's test, those of its experiments' arms that it is about. 30% of all is 5,000."""
    sides = [test[side] for side in ("left", "right", "arms") if side in test]
    return [
        {
            arm
            for arm in arms
            if any(fnmatchcase(arm[2], one.replace("{k}", "5000")) for one in side.get("selections", ["*"]))
            and any(fnmatchcase(arm[3], one) for one in side.get("recipes", ["*"]))
        }
        for side in sides or [{}]
    ]


def test_each_arm_that_carries_a_claim_has_three_seeds() -> None:
    study = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    claims = yaml.safe_load((ROOT / "resources/claims.yaml").read_text(encoding="utf-8"))["claims"]
    for test in (one["test"] for claim in claims for one in claim["tests"]):
        arms = arms_of(study, test["experiments"])
        for side in carrying(test, arms):
            without_seed = Counter(arm[:-1] for arm in side)
            assert set(without_seed.values()) == {3}, test


def test_controls_at_equal_updates_have_the_budget_of_what_they_are_compared_with() -> None:
    study = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config = parse(study, "config.yaml")
    pairs = {"top-step_coherence-1000": 1000, "all": 16500}
    for name, updates in (("few_updates", 32), ("many_updates", 516)):
        experiment = config.experiments[name]
        selection, recipe = str(experiment.as_many_updates_as).split("/")
        (other,) = experiment.recipes
        for used, rows in ((recipe, pairs[selection]), (other, 5)):
            settings = config.train.recipes[used]
            assert count_updates(settings.budget, rows, settings.batch_size, 1.0) == updates, used


def test_every_mark_is_explained_once_and_values_of_ours_have_none() -> None:
    head, _, values = CONFIG.read_text(encoding="utf-8").partition("\n\n")
    explained = re.findall(r"\[(\w+)\]", head)
    assert sorted(explained) == sorted({"V", "R", "D", "I", "card"})
    texts = [values, *(path.read_text(encoding="utf-8") for path in (ROOT / "resources/benchmarks").glob("*.yaml"))]
    comments = [comment for text in texts for comment in re.findall(r"(?:^|\s)#.*", text)]
    assert {mark for comment in comments for mark in re.findall(r"\[(\w+)\]", comment)} == set(explained)


# --- pins ---


def settings_of(lock: dict[str, dict[str, str]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Job -> its settings, with these pins."""
    pins = {
        kind: {
            name: {"revision": revision, "bytes": 0, "licence": None, "files": {}} for name, revision in found.items()
        }
        for kind, found in lock.items()
    }
    (folder / "resources").mkdir()
    for path in (ROOT / "resources").iterdir():
        (folder / "resources" / path.name).symlink_to(path)
    (folder / "resources/pins.lock.json").unlink()
    (folder / "resources/pins.lock.json").write_text(json.dumps(pins), encoding="utf-8")
    monkeypatch.chdir(folder)
    study = Study(yaml.safe_load(CONFIG.read_text(encoding="utf-8")), "config.yaml")
    found = {}
    for stage, wildcards in (
        ("prompts", [{"source": name} for name in ("train", *study.config.benchmarks)]),
        ("generate", [{"generator": name} for name in study.config.generators]),
        ("judge", [{"generator": name, "form": "logic"} for name in study.config.generators]),
        ("reference", [{"policy": "nemotron-8b", "generator": name} for name in study.config.generators]),
    ):
        for one in wildcards:
            found[" ".join([stage, *one.values()])] = study.settings(stage)(one)
    for batch in (*study.train_batches, *study.evaluate_batches):
        found[batch.manifest.removeprefix("results/full/")] = batch.settings
    shutil.rmtree(folder / "resources")
    return found


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("models", "simplescaling/s1.1-32B", r"generate s1-32b"),
        ("models", "openai/gpt-oss-120b", r"judge \S+ logic"),
        (
            "models",
            "nvidia/Llama-3.1-Nemotron-Nano-8B-v1",
            r"reference .*|train/.*|evaluate/nemotron-8b/base(@[0-9.]+)?-.*",
        ),
        ("datasets", "HuggingFaceH4/MATH-500", r"prompts math_500"),
        ("datasets", "open-r1/OpenR1-Math-220k", r"prompts train|generate r1"),
    ],
)
def test_another_pin_plans_only_the_jobs_that_use_its_name(
    kind: str, name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"models": {}, "datasets": {}, kind: {name: "b" * 40}}
    before = settings_of({"models": {}, "datasets": {}, kind: {name: "a" * 40}}, tmp_path, monkeypatch)
    after = settings_of(other, tmp_path, monkeypatch)
    changed = {job for job in before if before[job] != after[job]}
    assert changed == {job for job in before if re.fullmatch(expected, job)}
    assert changed
