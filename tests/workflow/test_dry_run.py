"""What Snakemake plans, and what it says to a config that is wrong: real dry runs in a folder without results."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

import forking

ROOT = Path(__file__).parents[2]
MINI = ROOT / "resources/studies/mini.yaml"
SECRET = "sk-never-to-be-shown"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files a run needs, without results and without Snakemake's memory."""
    for name in ("Snakefile", "workflow", "profiles", "mini"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "resources", tmp_path / "resources")
    return tmp_path


def snakemake(folder: Path, *words: str, dry: bool = True, forked: bool = True) -> subprocess.CompletedProcess[str]:
    """A dry run, or another, in a fork or a process of its own; stdout and stderr together."""
    command = [str(Path(sys.executable).with_name("snakemake")), *(["-n"] if dry else []), *words]
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT / "src"),
        "OPENAI_API_KEY": SECRET,
        "HF_TOKEN": SECRET,
    }
    if forked:
        return forking.run(command, folder, env, 120, joined=True)
    return subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


def jobs_planned(output: str) -> Counter[str]:
    """Jobs per stage, from the table that Snakemake prints (at the start and at the end); a batch is a rule."""
    table = output.rpartition("Job stats:")[2]
    found: Counter[str] = Counter()
    for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE):
        found[name.partition("_")[0]] += int(count)
    return found


def arms_of(study: dict[str, Any], experiments: Iterable[str] | None = None) -> set[tuple[str, ...]]:
    """Every combination of an experiment's lists is an arm; experiments may share arms."""
    axes = ("policies", "pairings", "selections", "recipes", "seeds")
    named = study["experiments"] if experiments is None else experiments
    lists = [[map(str, study["experiments"][name][axis]) for axis in axes] for name in named]
    return {arm for found in lists for arm in product(*found)}


def count_batches(arms: Iterable[tuple[str, ...]], size: int) -> int:
    """Arms that differ in nothing but their selection share jobs, `size` arms in each."""
    alike = Counter((policy, pairing, recipe, seed) for policy, pairing, _, recipe, seed in arms)
    return sum(-(-count // size) for count in alike.values())


def test_mini_plans_one_job_per_combination_of_axes_and_shows_no_secret(checkout: Path) -> None:
    done = snakemake(checkout, "--profile", "mini", "--printshellcmds", forked=False)
    assert done.returncode == 0, done.stdout
    study = yaml.safe_load(MINI.read_text())
    generators, forms, groups = study["generators"], study["judge"]["forms"], study["evaluate"]["groups"]
    arms = arms_of(study)
    pairings = {pairing for _, pairing, *_ in arms}
    size = {stage: study["compute"].get(stage, {}).get("batch", 1) for stage in ("train", "evaluate")}
    needs_reference = {name for name, recipe in study["train"]["recipes"].items() if recipe["method"] != "sft"}
    # Counted from the axes, not through the code under test. At the end of each line: the count for 8 models, 6
    # generators, 4 benchmarks, 5 dimensions and their mean in 2 forms, 2 policies, and these arms, in batches of 6:
    #   scaling 6 pairings x 3 seeds = 18; second_policy 2; methods 2 pairings x 3 recipes = 6, of which scaling has 2;
    #   swapped 2; cells 4; filtering 12, of which swapped has 1; equal_updates 1.
    # g3~g1 by dpo with seed 0 has 2 + 4 + 11 = 17 arms: 3 batches. Every other batch is one arm: 18 + 2 + 4 + 1 = 25.
    expected = {
        "prompts": 1 + len(study["benchmarks"]),  # the training prompts and each benchmark: 5
        "ladder": len(study["models"]),  # 8
        "generate": len(generators),  # 6
        "grade": len(generators),  # 6
        "judge": len(generators) * len(forms),  # 12
        "pair": len(pairings),  # scaling's 6 and g3~g1: 7
        "delta": len(pairings) * (len(study["dimensions"]) + len(study["delta"]["composites"])),  # 7 x 6 = 42
        # 6 x 1 + 1 x 17 = 23: the selections by delta, which have a job per seed, have one seed.
        "filter": len({(pairing, selection) for _, pairing, selection, *_ in arms}),
        "reference": len({(arm[0], name) for arm in arms if arm[3] in needs_reference for name in arm[1].split("~")}),
        # reference: pa with all 6, pc with 2: 8
        "train": count_batches(arms, size["train"]),  # 3 + 25 = 28
        # Per group the untrained policies and its arms: sampled 2 + 28; greedy 2, second_policy's ends 2, methods 6,
        # swapped and cells in one batch of 6: 30 + 11 = 41.
        "evaluate": sum(
            len(study["policies"]) + count_batches(arms_of(study, group.get("experiments")), size["evaluate"])
            for group in groups.values()
        ),
        "report": 1,
        "all": 1,
    }
    assert jobs_planned(done.stdout) == {**expected, "total": sum(expected.values())}
    assert done.stdout.count("exec python -m prefdelta.stages.judge") == len(generators) * len(forms)
    assert SECRET not in done.stdout


def test_one_table_can_be_asked_for_and_plans_only_what_it_needs(checkout: Path) -> None:
    generator = next(iter(yaml.safe_load(MINI.read_text())["generators"]))
    done = snakemake(checkout, "--profile", "mini", f"results/mini/grade/{generator}.parquet")
    assert done.returncode == 0, done.stdout
    assert jobs_planned(done.stdout) == {"prompts": 1, "ladder": 1, "generate": 1, "grade": 1, "total": 4}


def test_every_mistake_in_a_config_is_told_at_once_with_file_key_and_nearest_name(checkout: Path) -> None:
    text = (
        MINI.read_text()
        .replace("\ntrain:\n", "\ntrian:\n")
        .replace("batch_tokens: ", "batch_tokenz: ")
        .replace("max_length: 160", "max_length: long")
    )
    (checkout / "mine.yaml").write_text(text)
    done = snakemake(checkout, "--cores", "1", "--configfile", "mine.yaml")
    assert done.returncode != 0
    assert re.search(r"mine\.yaml has \d mistake\(s\); nothing was started", done.stdout)
    assert "trian: 'trian' is not known; did you mean 'train'?" in done.stdout
    assert "'batch_tokenz' is not known; did you mean 'batch_tokens'?" in done.stdout
    assert "reference.max_length: found 'long'" in done.stdout
    assert "Job stats" not in done.stdout
    assert "Traceback" not in done.stdout


def test_a_name_that_nothing_defines_is_told_with_the_nearest_one(checkout: Path) -> None:
    study = yaml.safe_load(MINI.read_text())
    study["experiments"]["filtering"]["selections"].append("top-step_coherance-5")
    (checkout / "mine.yaml").write_text(yaml.safe_dump(study))
    done = snakemake(checkout, "--cores", "1", "--configfile", "mine.yaml")
    assert done.returncode != 0
    assert "did you mean 'step_coherence'?" in done.stdout
    assert "mine.yaml has 1 mistake(s)" in done.stdout
    assert "Job stats" not in done.stdout


@pytest.mark.parametrize("content", [None, " \n"], ids=["missing", "blank"])
def test_a_rubric_that_cannot_be_read_is_told_before_anything_starts(checkout: Path, content: str | None) -> None:
    path = checkout / "resources/rubrics/factuality.md"
    path.unlink()
    if content is not None:
        path.write_text(content)
    done = snakemake(checkout, "--profile", "mini")
    assert done.returncode != 0
    assert "resources/rubrics/factuality.md: the rubric of dimension 'factuality'" in done.stdout
    assert "Job stats" not in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("target", ["judge/strong/logic.parquet", "pair/g4~strong.parquet", "delta/g3~g1/x.parquet"])
def test_a_name_that_the_study_does_not_have_is_no_rules(checkout: Path, target: str) -> None:
    done = snakemake(checkout, "--profile", "mini", f"results/mini/{target}")
    assert done.returncode != 0
    assert f"No rule to produce results/mini/{target}" in done.stdout
    assert "Traceback" not in done.stdout
