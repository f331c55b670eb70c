"""A job that a cluster starts on one of its nodes, after somebody's edits: it reads the workflow anew."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.planning.dry_run import planned_jobs
from prefdelta.study.study import Study
from prefdelta.workflow import run_plan
from workflow.test_dry_run import ROOT, checkout

__all__ = ["checkout"]
CONFIG = Path("resources/studies/mini.yaml")
TABLE = "results/mini/prompts/train.parquet"


def test_a_study_knows_of_each_job_what_snakemake_gives_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    content = yaml.safe_load(CONFIG.read_text())
    content["generators"]["g4"]["shards"] = 2
    content["prompts"]["contamination"] = {"lock": "lock.json", "ngram": 13}
    Path("lock.json").write_text("{}")
    CONFIG.write_text(yaml.safe_dump(content, sort_keys=False))
    given = {str(job.manifest): job for job in planned_jobs(["--profile", "mini"])}
    planned = {job.manifest: job for job in Study(content, str(CONFIG), [str(CONFIG)]).all_jobs}
    assert planned.keys() == given.keys()
    for manifest, job in planned.items():
        snakemakes = given[manifest]
        reads = {str(path) for path in snakemakes.reads if not path.name.endswith(".manifest.json")}
        assert (set(job.reads), set(job.outputs)) == (reads, set(map(str, snakemakes.writes))), manifest
        assert (job.stage, job.settings, job.code) == (snakemakes.stage, snakemakes.settings, snakemakes.code), manifest


def shown(folder: Path, plan: str) -> subprocess.CompletedProcess[str]:
    """What the Snakemake that a SLURM job starts would run, without running it."""
    words = ["--profile", "mini", "--mode", "remote", "--allowed-rules", "prompts", "-n", "--printshellcmds", TABLE]
    return subprocess.run(
        [str(Path(sys.executable).with_name("snakemake")), *words],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PYTHONPATH": str(ROOT / "src"), run_plan.VARIABLE: plan},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("broken", [False, True])
def test_it_goes_on_with_the_config_that_it_was_planned_with(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    monkeypatch.chdir(checkout)
    monkeypatch.setenv(run_plan.VARIABLE, "")
    text = CONFIG.read_text()
    content = yaml.safe_load(text)
    study = Study(content, str(CONFIG))
    results = Path(study.results)
    results.mkdir(parents=True)
    run_plan.write(results, content, {job.manifest: job.settings for job in study.all_jobs})

    edited = yaml.safe_load(text)
    edited["seed"] = content["seed"] + 1
    edited["prompts"]["train"]["items"] = 77
    CONFIG.write_text("study: [" if broken else yaml.safe_dump(edited))
    done = shown(checkout, os.environ[run_plan.VARIABLE])
    assert done.returncode == 0, done.stdout
    (command,) = re.findall(r"(python -m prefdelta\.stages\.prompts .*)", done.stdout)
    words = shlex.split(command)
    settings = json.loads(words[words.index("--settings") + 1])
    assert settings == json.loads(next(job.settings for job in study.all_jobs if job.manifest.startswith(TABLE[:-8])))
    assert (settings["seed"], settings["made"]["items"]) == (content["seed"], content["prompts"]["train"]["items"])
