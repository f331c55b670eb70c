"""Training prompts that overlap with a benchmark, and the lock that keeps them out: over real formats."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import forking
from prefdelta.commands.main import main
from prefdelta.core.errors import StudyError
from prefdelta.records.prompt import Prompt
from prefdelta.store import tables
from study.formats import SHARED, TRAINING_PROBLEMS, write_all

from .made import CONFIG, ROOT, small_study, study_here

LOCK = Path("resources/decontamination/mini.lock.json")
REASONS = Path("resources/decontamination/mini.lock.reasons.json")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A study with a data set and two benchmarks, of which gsm8k overlaps with it, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("Snakefile", "workflow", "profiles", "mini"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "resources", tmp_path / "resources")
    folders = write_all(tmp_path / "data")
    for name in ("gsm8k", "amc"):
        path = tmp_path / f"resources/benchmarks/{name}.yaml"
        entry = yaml.safe_load(path.read_text())
        entry["source"]["dataset"] = str(folders[entry["source"]["dataset"]])
        path.write_text(yaml.safe_dump({**entry, "limit": 1} if name == "amc" else entry))
    content = small_study()
    content["prompts"] = {
        "train": {
            "dataset": str(folders["open-r1/OpenR1-Math-220k"]),
            "config": "default",
            "split": "train",
            "fields": {"problem": "problem", "answer": "answer"},
            "grader": "maths",
        },
        "domain": "maths",
        "contamination": {"lock": str(LOCK)},
    }
    with_benchmarks(content, ["gsm8k", "amc"])
    return content


def with_benchmarks(content: dict[str, Any], benchmarks: list[str]) -> None:
    content["benchmarks"] = benchmarks
    content["evaluate"]["groups"]["sampled"]["benchmarks"] = benchmarks
    Path(CONFIG).write_text(yaml.safe_dump(content, sort_keys=False))


def decontaminate(*words: str) -> int:
    return main(["decontaminate", "--configfile", CONFIG, *words])


def make_prompts(*sources: str) -> "subprocess.CompletedProcess[str]":
    words = [f"results/mini/prompts/{source}.parquet" for source in sources]
    program = [sys.executable, "-m", "snakemake", "--profile", "mini"]
    return forking.run([*program, *words], Path.cwd(), os.environ, 200)


@pytest.mark.usefixtures("study")
def test_the_lock_names_the_prompts_and_the_file_beside_it_the_items(capsys):
    assert decontaminate() == 0
    told = re.sub(r" +", " ", capsys.readouterr().out)
    assert f"{TRAINING_PROBLEMS} training prompts." in told
    words, characters = "by 13 words in a row", "by all characters of a shorter one"
    for name, items, by_words in (("gsm8k", 3, 1), ("amc", 3, 0)):  # all items, whatever the limit
        counted = f"{by_words} with {by_words} prompts {words}; 0 with 0 prompts {characters}"
        assert f"{name} of {items} items: {counted}" in told
    lock, reasons = (json.loads(path.read_text()) for path in (LOCK, REASONS))
    assert lock == {"ngram": 13, "prompts": list(reasons)}
    (((item, rule),),) = (found.items() for found in reasons.values())
    assert item.startswith("gsm8k:")
    assert rule == "words"


def test_a_benchmark_that_adds_nothing_leaves_the_lock_as_it_is_and_one_more_reason_too(study, capsys):
    with_benchmarks(study, ["gsm8k"])
    assert decontaminate() == 0
    before = LOCK.read_bytes()
    with_benchmarks(study, ["gsm8k", "amc"])
    capsys.readouterr()
    assert decontaminate() == 0
    assert LOCK.read_bytes() == before
    assert "the lock is unchanged: nothing is made again" in capsys.readouterr().out
    shutil.copy("resources/benchmarks/gsm8k.yaml", "resources/benchmarks/again.yaml")
    with_benchmarks(study, ["gsm8k", "amc", "again"])
    assert decontaminate() == 0
    assert LOCK.read_bytes() == before
    assert "again:" in REASONS.read_text()


@pytest.mark.usefixtures("study")
def test_a_dry_run_tells_and_writes_nothing(capsys):
    assert decontaminate("--dry-run") == 0
    assert "1 prompts to leave out; 1 are new, 0 no longer are" in capsys.readouterr().out
    assert not LOCK.exists()


@pytest.mark.usefixtures("study")
def test_a_lock_that_cannot_be_read_is_written_anew():
    LOCK.parent.mkdir(exist_ok=True)
    LOCK.write_text("<<<<<<< ours\n")
    assert decontaminate() == 0
    assert len(json.loads(LOCK.read_text())["prompts"]) == 1


def test_a_study_without_a_gate_is_told_how_to_have_one(study, capsys):
    del study["prompts"]["contamination"]
    with_benchmarks(study, ["gsm8k"])
    assert decontaminate() == 2
    assert "prompts.contamination: { lock: resources/decontamination/mini.lock.json }" in capsys.readouterr().err


@pytest.mark.usefixtures("study")
def test_the_workflow_stops_at_an_overlap_until_the_command_has_run():
    with pytest.raises(StudyError, match="Write it: prefdelta decontaminate"):
        study_here().input("prompts", "lock")({"source": "train"})
    LOCK.parent.mkdir(exist_ok=True)
    LOCK.write_text('{"ngram": 13, "prompts": []}\n')
    done = make_prompts("gsm8k", "amc")
    assert done.returncode != 0
    assert (
        "share 13 words in a row, or all characters of a shorter text, with 1 of"
        in Path("results/mini/logs/prompts/gsm8k.log").read_text()
    )
    assert not Path("results/mini/prompts/gsm8k.parquet").exists()
    assert Path("results/mini/prompts/amc.parquet").exists()

    assert decontaminate() == 0
    done = make_prompts("gsm8k", "amc")
    assert done.returncode == 0, done.stderr
    rows = tables.read(Path("results/mini/prompts/train.parquet"), Prompt)
    assert len(rows) == TRAINING_PROBLEMS - 1
    assert not any(SHARED in row.text for row in rows)
