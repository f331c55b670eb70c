"""A whole study through Snakemake: every rule, every stage, the report; only the sizes are smaller than mini's."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdelta import tables
from prefdelta.core.accuracy import outcome
from prefdelta.records.contract import Row
from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.score import Score
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace

ROOT = Path(__file__).parents[2]
MODELS = ["pa", "g3"]  # the policy, which writes the rejected traces too, and a generator
BENCHMARKS = ["mini_maths_easy", "mini_code"]
DIMENSIONS = ["computational_precision", "signal_to_noise"]
PROMPTS, ITEMS = 40, 20  # training prompts, items of a benchmark
ARMS = [
    "pa/g3~g1/all/dpo/s0",
    "pa/g3~g1/swapped/dpo/s0",
    "pa/g3~g1/top-mean-4/dpo/s0",
    "pa/g3~g1/all/kto/s0",
    "pa/g3~g1/all/sft/s0",
]


def shrunk() -> dict[str, Any]:
    """Mini with fewer and smaller models, prompts, items and arms; what it does with them stays."""
    study: dict[str, Any] = yaml.safe_load((ROOT / "resources/studies/mini.yaml").read_text())
    study["models"] = {name: study["models"][name] for name in MODELS}
    for model in study["models"].values():
        # Long enough to write whole traces of one step, not to be good at it; so no windows.
        model["ladder"] |= {"width": 32, "layers": 1, "heads": 2, "steps": 60, "batch_size": 16, "windows": []}
        model["ladder"]["corpora"] = [{"family": "maths", "operations": [1, 2]}]
    study["ladder"]["warmup_steps"] = 5
    study["generators"] = {"g3": {"model": "g3", "samples": 2}, "g1": {"model": "pa"}}
    study["policies"] = ["pa"]
    study["benchmarks"] = BENCHMARKS
    study["dimensions"] = DIMENSIONS
    study["delta"]["composites"] = {"mean": DIMENSIONS}
    study["judge"]["forms"] = {"both": DIMENSIONS}
    study["prompts"]["train"] |= {"operations": [1, 2], "items": PROMPTS}
    one = {"title": "One pairing", "policies": ["pa"], "pairings": ["g3~g1"], "seeds": [0]}
    study["experiments"] = {
        "selections": one | {"selections": ["all", "swapped", "top-mean-4"], "recipes": ["dpo"]},
        "methods": one | {"selections": ["all"], "recipes": ["dpo", "kto", "sft"]},
    }
    study["filter"]["sets"] = {}
    study["train"]["recipes"] = {name: study["train"]["recipes"][name] for name in ("dpo", "kto", "sft")}
    (group,) = (group for group in study["evaluate"]["groups"].values() if group.get("primary", True))
    study["evaluate"]["groups"] = {"sampled": group | {"benchmarks": BENCHMARKS}}
    for stage in ("generate", "grade", "judge", "pair", "evaluate"):
        study[stage]["max_failure_share"] = 1.0
    study["report"] |= {"resamples": 200, "overlap": {"pairing": "g3~g1", "k": [2, 4]}}
    return study


def started(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "HOME": str(folder), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=400)


def snakemake(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return started(folder, str(Path(sys.executable).with_name("snakemake")), "--profile", "mini", *words)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study has been run."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Snakefile", "workflow", "profiles", "mini", "docs"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "resources", folder / "resources")
    (folder / "resources/studies/mini.yaml").write_text(yaml.safe_dump(shrunk(), sort_keys=False))
    for path in (folder / "resources/benchmarks").iterdir():
        benchmark = yaml.safe_load(path.read_text())
        benchmark["source"]["items"] = ITEMS
        path.write_text(yaml.safe_dump(benchmark))
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def results(checkout: Path) -> Path:
    return checkout / "results/mini"


@pytest.fixture(scope="module")
def manifests(results: Path) -> dict[str, list[tuple[Path, dict[str, Any]]]]:
    """By stage: (path, content)."""
    found: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
    for path in sorted(results.rglob("*.manifest.json")):
        found.setdefault(path.relative_to(results).parts[0], []).append((path, json.loads(path.read_text())))
    return found


def test_the_report_is_one_page_with_every_arm(results: Path) -> None:
    page = (results / "report/index.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert not re.search(r"\bnan\b", re.sub(r"<[^>]*>", " ", page), flags=re.IGNORECASE)
    for word in ("g3", "g1", "swapped", "kto", "sft"):
        assert word in page


def test_every_job_left_a_manifest_and_a_log(manifests: dict[str, list[Any]], results: Path) -> None:
    # prompts: training and 2 benchmarks; ladder 2; 2 generators; 1 form; 1 pairing; 2 dimensions and their mean; the
    # selections all, swapped, top-mean-4; 1 policy with 2 generators; batches of dpo, kto, sft, and the base.
    counts = {stage: len(found) for stage, found in manifests.items()}
    assert counts == {
        "prompts": 3, "ladder": 2, "generate": 2, "grade": 2, "judge": 2, "pair": 1, "delta": 3, "filter": 3,
        "reference": 2, "train": 3, "evaluate": 4, "report": 1,
    }  # fmt: skip
    assert len(list((results / "logs").rglob("*.log"))) == sum(counts.values())


# What is fine in a table's row: the rest are failures, which the manifest counts.
FINE: dict[str, tuple[type[Row], Callable[[Any], bool]]] = {
    "prompts": (Prompt, lambda row: True),
    "generate": (Trace, lambda row: row.usable),
    "grade": (Grade, lambda row: row.correct is not None),
    "judge": (Judgement, lambda row: row.score is not None),
    "pair": (Pair, lambda row: row.eligible),
    "delta": (Delta, lambda row: row.delta is not None),
    "reference": (ReferenceLogps, lambda row: row.logps is not None),
}


@pytest.mark.parametrize("stage", FINE)
def test_rows_are_those_that_are_fine_and_those_that_failed(stage: str, manifests: dict[str, list[Any]]) -> None:
    row_type, is_fine = FINE[stage]
    for path, told in manifests[stage]:
        rows = tables.read(Path(str(path).replace(".manifest.json", ".parquet")), row_type)
        assert told["rows"] == len(rows)
        assert told["rows"] - sum(told["failures"].values()) == sum(map(is_fine, rows)) > 0


def test_no_prompt_is_lost_on_the_way(manifests: dict[str, list[Any]]) -> None:
    rows = {stage: [told["rows"] for _, told in found] for stage, found in manifests.items()}
    assert sorted(rows["prompts"]) == [ITEMS, ITEMS, PROMPTS]
    assert sorted(rows["generate"]) == sorted(rows["grade"]) == sorted(rows["reference"]) == [PROMPTS, 2 * PROMPTS]
    assert rows["judge"] == [2 * PROMPTS, 2 * PROMPTS]  # the first sample of each generator, on 2 dimensions
    assert rows["pair"] == [PROMPTS]  # g1 has one sample: no cells
    assert rows["delta"] == [PROMPTS] * 3
    assert sum(rows["evaluate"]) == len(BENCHMARKS) * ITEMS * (1 + len(ARMS))


def test_arms_are_trained_on_the_pairs_selected(manifests: dict[str, list[Any]], results: Path) -> None:
    told = {arm: details for _, found in manifests["train"] for arm, details in found["details"]["arms"].items()}
    assert sorted(told) == sorted(ARMS)
    for arm, details in told.items():
        _, pairing, selection, recipe, _ = arm.split("/")
        selected = tables.read(results / f"filter/{pairing}/{selection}.parquet", SelectedPair)
        assert details["pairs"] == len(selected)
        assert details["rows"] == len(selected) * (2 if recipe == "kto" else 1)
        assert details["differs_from_base"] is True
        assert (results / f"train/{arm}/policy.json").is_file()


def accuracies(results: Path) -> dict[tuple[str, str], float]:
    """(arm, benchmark) -> per cent of the counted items that were solved."""
    found = {}
    for arm in ("pa/base", *ARMS):
        rows = tables.read(results / f"evaluate/{arm}/sampled.parquet", Score)
        for benchmark in BENCHMARKS:
            outcomes = [outcome(row) for row in rows if row.benchmark == benchmark]
            assert len(outcomes) == ITEMS
            counted = [value for value in outcomes if value is not None]
            found[arm, benchmark] = 100 * sum(counted) / len(counted)
    return found


def test_every_arm_has_scores_of_its_own(results: Path) -> None:
    keys = [
        tuple(row.call_key for row in tables.read(results / f"evaluate/{arm}/sampled.parquet", Score))
        for arm in ("pa/base", *ARMS)
    ]
    assert len(set(keys)) == len(keys)


def test_the_accuracies_are_found_again_from_the_tables_alone(checkout: Path, results: Path) -> None:
    done = started(checkout, sys.executable, "docs/recompute.py", "results/mini", "sampled")
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.split("\n\n")[0].splitlines()
    names = printed[0].split()[1:]
    assert sorted(names) == sorted(BENCHMARKS)
    table = {words[0]: dict(zip(names, map(float, words[1:]), strict=True)) for words in map(str.split, printed[2:])}
    expected = accuracies(results)
    assert sorted(table) == sorted(["pa/base", *ARMS])
    for (arm, benchmark), accuracy in expected.items():
        assert table[arm][benchmark] == pytest.approx(accuracy, abs=0.051)


def test_a_second_run_finds_nothing_to_do(checkout: Path) -> None:
    done = snakemake(checkout)
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr
