"""A whole study through Snakemake: every rule, every stage, the report; only the sizes are smaller than mini's."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from once import copied
from prefdelta.core.answers.accuracy import outcome
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
from prefdelta.store import tables

from .tiny import ARMS, BENCHMARKS, ITEMS, PROMPTS, snakemake, started

STUDY = "resources/studies/mini.yaml"


@pytest.fixture(scope="module")
def checkout(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study has been run."""
    return copied(tiny_study, tmp_path_factory.mktemp("checkout") / "study")


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
        "reference": 2, "train": 3, "evaluate": 4, "browse": 1, "report": 1,
    }  # fmt: skip
    assert len(list((results / "logs").rglob("*.log"))) == sum(counts.values())


def test_after_a_run_every_job_is_done_and_none_is_stale(checkout: Path, results: Path) -> None:
    told = started(checkout, sys.executable, "-m", "prefdelta.commands.main", "status", "--configfile", STUDY, "--json")
    assert told.returncode == 0, told.stderr
    total = json.loads(told.stdout)["total"]
    assert total["states"] == {"done": total["jobs"]}
    study = yaml.safe_load((checkout / STUDY).read_text())
    assert yaml.safe_load(json.loads((results / "run.plan.json").read_text())["config"]) == study


def test_logs_begin_with_the_command_that_repeats_the_job(checkout: Path, results: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path, dirs_exist_ok=True, symlinks=True)
    table = tmp_path / "results/mini/pair/g3~g1.parquet"
    table.unlink()
    again = started(tmp_path, "sh", "-c", (results / "logs/pair/g3~g1.log").read_text().splitlines()[0])
    assert again.returncode == 0, again.stderr
    assert table.read_bytes() == (results / "pair/g3~g1.parquet").read_bytes()


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
        selected = tables.read(results / f"filter/{pairing}/{selection}/t0.parquet", SelectedPair)
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


def test_the_claims_numbers_are_found_again_from_the_tables_alone(checkout: Path, tmp_path: Path) -> None:
    words = (sys.executable, "docs/recompute_claims.py", "results/mini")
    done = started(checkout, *words)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "| equal" in done.stdout
    changed = copied(checkout, tmp_path / "changed")
    manifest = changed / "results/mini/report/index.manifest.json"
    content = json.loads(manifest.read_text())
    next(claim for claim in content["details"]["claims"].values() if claim["tests"])["tests"][0]["value"] += 0.01
    manifest.write_text(json.dumps(content))
    assert started(changed, *words).returncode == 1


def test_a_second_run_finds_nothing_to_do(checkout: Path) -> None:
    done = snakemake(checkout)
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr
