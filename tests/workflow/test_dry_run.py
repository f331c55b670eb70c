"""What Snakemake plans, and what it says to a config that is wrong: real dry runs in a folder without results."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

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


def snakemake(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A dry run; stdout and stderr together."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("snakemake")), "-n", *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "OPENAI_API_KEY": SECRET, "HF_TOKEN": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


def jobs_planned(output: str) -> Counter[str]:
    """Jobs per rule, from the table that Snakemake prints (at the start and at the end)."""
    table = output.rpartition("Job stats:")[2]
    return Counter({name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)})


def arms_of(study: dict[str, Any]) -> set[tuple[str, ...]]:
    """Every combination of an experiment's lists is an arm; experiments may share arms."""
    axes = ("policies", "pairings", "selections", "recipes", "seeds")
    experiments = [[map(str, found[axis]) for axis in axes] for found in study["experiments"].values()]
    return {arm for lists in experiments for arm in product(*lists)}


def test_mini_plans_one_job_per_combination_of_axes_and_shows_no_secret(checkout: Path) -> None:
    done = snakemake(checkout, "--profile", "mini", "--printshellcmds")
    assert done.returncode == 0, done.stdout
    study = yaml.safe_load(MINI.read_text())
    generators, forms, groups = study["generators"], study["judge"]["forms"], study["evaluate"]["groups"]
    arms = arms_of(study)
    pairings = {pairing for _, pairing, *_ in arms}
    # Counted from the axes, not through the code under test. At the end of each line: the count for 2 generators, 3
    # models, 3 benchmarks, 5 dimensions and their mean in 2 forms, 1 pairing, 4 selections and 1 policy.
    expected = {
        "prompts": 1 + len(study["benchmarks"]),  # the training prompts and each benchmark: 4
        "ladder": len(study["models"]),  # 3
        "generate": len(generators),  # 2
        "grade": len(generators),  # 2
        "judge": len(generators) * len(forms),  # 4
        "pair": len(pairings),  # 1
        "delta": len(pairings) * (len(study["dimensions"]) + len(study["delta"]["composites"])),  # 6
        "filter": len({(pairing, selection) for _, pairing, selection, *_ in arms}),  # 4
        "reference": len({(arm[0], name) for arm in arms for name in arm[1].split("~")}),  # 2
        "train": len(arms),  # 4
        "evaluate": (len(study["policies"]) + len(arms)) * len(groups),  # the untrained policy too: 5
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


def test_without_a_config_file_the_ways_to_name_one_are_told(checkout: Path) -> None:
    # Not the full study by default: it would ask for GPUs and money.
    done = snakemake(checkout, "--cores", "1")
    assert done.returncode != 0
    assert "no config file was given" in done.stdout
    assert "snakemake --profile mini" in done.stdout
    assert "Traceback" not in done.stdout


def test_every_mistake_in_a_config_is_told_at_once_with_file_key_and_nearest_name(checkout: Path) -> None:
    text = (
        MINI.read_text()
        .replace("\ntrain:\n", "\ntrian:\n")
        .replace("batch_size: 250", "batch_sise: 250")
        .replace("max_length: 160", "max_length: long")
    )
    (checkout / "mine.yaml").write_text(text)
    done = snakemake(checkout, "--cores", "1", "--configfile", "mine.yaml")
    assert done.returncode != 0
    assert re.search(r"mine\.yaml has \d mistake\(s\); nothing was started", done.stdout)
    assert "trian: 'trian' is not known; did you mean 'train'?" in done.stdout
    assert "'batch_sise' is not known; did you mean 'batch_size'?" in done.stdout
    assert "reference.max_length: found 'long'" in done.stdout
    assert "Job stats" not in done.stdout
    assert "Traceback" not in done.stdout


def test_a_name_that_nothing_defines_is_told_with_the_nearest_one(checkout: Path) -> None:
    study = yaml.safe_load(MINI.read_text())
    study["experiments"]["filtering"]["selections"] = ["top-step_coherance-5"]
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
