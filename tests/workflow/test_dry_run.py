"""What Snakemake plans, and what it says to a config that is wrong: real dry runs in a folder without results."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

import forking

from .planning import DRY

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
    command = [str(Path(sys.executable).with_name("snakemake")), *(DRY if dry else []), *words]
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


def test_mini_plans_one_job_per_combination_of_axes_and_shows_no_secret(checkout: Path) -> None:
    done = snakemake(checkout, "--profile", "mini", forked=False)
    assert done.returncode == 0, done.stdout
    expected = {  # counted by hand from the axes in mini.yaml, not through the code under test
        "prompts": 1 + 4,  # the training prompts and each benchmark
        "ladder": 5 + 2,
        "generate": 5 * 3,  # each generator in three draws
        "grade": 5 * 3,
        # Draw 0 in two forms; in the others g3 and g1, from which arms select by the mean; and g3 and g1 by `second`.
        "judge": 5 * 2 + 2 * 2 * 2 + 2 * 2,
        "pair": 11 * 3,  # scaling's 5 and the grid's 6 others, all of them in the common set
        "delta": 11 * 6 + 2 + 6,  # draw 0 on five dimensions and their mean; the mean in two others; by `second`
        # A draw: common 11, exchanged 1, alike 3, of g3~g1 by likelihood 2, random 1, top and matched 2. In draw 0: 6.
        "filter": (11 + 1 + 3 + 2 + 1 + 2) * 3 + 6,
        "reference": 5 * 3 + 2 * 3,  # pa with all, pc with g4 and g0
        # pa by dpo has scaling 15, exchanged 3, grid 18, alike 9, own_mistakes 9, filtering 6, filtering_claim 6 = 66
        # arms, in batches of 16: 5; by sft 6, by kto 1; pc 3.
        "train": 5 + 1 + 1 + 1,
        # Untrained: 2 in 3 groups, and at 4 temperatures. Sampled 73 and 3, half 15 and 3, greedy 15 + 3 + 9 and 3.
        "evaluate": 2 * 3 + 2 * 4 + (5 + 1) + (1 + 1) + (2 + 1),
        "browse": 1,
        "report": 1,
        "all": 1,
    }
    assert jobs_planned(done.stdout) == {**expected, "total": sum(expected.values())}
    assert done.stdout.count("exec python -m prefdelta.stages.judge") == expected["judge"]
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


def test_the_snakefile_where_the_catalogue_of_workflows_looks_plans_the_same_jobs(checkout: Path) -> None:
    planned = jobs_planned(snakemake(checkout, "--profile", "mini").stdout)
    there = jobs_planned(snakemake(checkout, "--snakefile", "workflow/Snakefile", "--profile", "mini").stdout)
    assert planned["report"] == 1
    assert there == planned - Counter(all=1) + Counter(study=1)  # its own target
