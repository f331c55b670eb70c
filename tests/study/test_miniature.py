"""The full study in miniature, through Snakemake: real formats, loaders, prompts, parsers, graders, recipes, report."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from engines.scripted import ScriptedServer
from prefdelta.core.answers.grading import grade_all
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.score import Score
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.system import plugins

from .formats import FLAWED, TRAINING_PROBLEMS
from .miniature import DIMENSIONS, KEY_VARIABLE, PAIRING, judge, make_checkout, miniature
from .tiny import ROOT, snakemake, started

CONFIG = ("--configfile", "full.yaml")
BENCHMARKS = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["benchmarks"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the study has been run; its judge still answers."""
    folder = tmp_path_factory.mktemp("checkout")
    os.environ[KEY_VARIABLE] = "a key"
    with ScriptedServer(judge) as server:
        make_checkout(folder, miniature(server.base_url))
        excluded = started(folder, sys.executable, "-m", "prefdelta.commands.main", "decontaminate", *CONFIG)
        assert excluded.returncode == 0, excluded.stdout + excluded.stderr
        done = snakemake(folder, *CONFIG)
        assert done.returncode == 0, done.stdout + done.stderr
        yield folder
    del os.environ[KEY_VARIABLE]


@pytest.fixture(scope="module")
def results(checkout: Path) -> Path:
    return checkout / "results/full"


def manifest(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.with_name(f"{path.stem}.manifest.json").read_text(encoding="utf-8")))


def test_of_the_training_set_every_row_is_a_prompt_or_has_a_reason(results: Path) -> None:
    path = results / "prompts/train.parquet"
    prompts = tables.read(path, Prompt)
    assert len(prompts) == TRAINING_PROBLEMS - 1
    assert manifest(path)["failures"] == {**FLAWED, "contaminated": 1}
    assert manifest(path)["rows"] == len(prompts) + sum(FLAWED.values()) + 1


def test_traces_that_the_training_set_ships_agree_with_its_own_grades(results: Path) -> None:
    traces = tables.read(results / "generate/r1.parquet", Trace)
    grades = tables.read(results / "grade/r1.parquet", Grade)
    assert {grade.correct for grade in grades if grade.sample == 0} == {True}
    assert {grade.correct for grade in grades if grade.sample == 1} == {False, None}
    assert {trace.failure for trace in traces} == {None, "no_trace"}
    assert {trace.finish_reason for trace in traces} == {"stop", "length", None}
    agreement = manifest(results / "grade/r1.parquet")["details"]["source_agreement"]
    assert agreement["both_right"] == TRAINING_PROBLEMS - 1
    assert agreement["both_wrong"] > 0
    assert (agreement["only_ours"], agreement["only_theirs"]) == (0, 0)


def test_a_model_of_the_hub_writes_traces_with_what_config_says_of_it(results: Path) -> None:
    traces = tables.read(results / "generate/s1-3b.parquet", Trace)
    assert {trace.finish_reason for trace in traces} <= {"length", "stop"}
    assert len(traces) == TRAINING_PROBLEMS - 1


def test_pairs_are_judged_in_both_ways_and_selected_by_their_delta(results: Path) -> None:
    main = tables.read(results / "judge/r1/logic.parquet", Judgement)
    assert {row.dimension for row in main} == set(DIMENSIONS) - {"signal_to_noise"}
    for dimension in DIMENSIONS:
        compared = tables.read(results / f"judge/r1/{dimension}.parquet", Judgement)
        assert {row.dimension for row in compared} == {dimension}
        assert len({row.prompt_id for row in compared}) == 8
    selected = tables.read(results / f"filter/{PAIRING}/top-mean-4/t0.parquet", SelectedPair)
    assert len(selected) == 4


def test_what_is_scored_and_trained_on_holds_the_reasoning_that_the_template_would_drop(results: Path) -> None:
    texts = {(row.prompt_id, row.sample): row.text for row in tables.read(results / "generate/r1.parquet", Trace)}
    rows = [row for row in tables.read(results / "reference/nemotron-8b/r1.parquet", ReferenceLogps) if row.logps]
    assert len(rows) > TRAINING_PROBLEMS
    for row in rows:
        text = str(texts[row.prompt_id, row.sample])
        assert "<think>" in text
        assert row.n_tokens == len(text.encode()) + 1  # a token is a byte; and the end of sequence


def test_every_recipe_moves_the_policy_and_the_arms_are_scored_on_every_benchmark(results: Path) -> None:
    arms = [path.parent for path in results.glob("train/**/policy.json")]
    assert len(arms) == 3
    for path in results.glob("train/**/*.manifest.json"):
        for told in json.loads(path.read_text())["details"]["arms"].values():
            assert told["differs_from_base"]
            if told["method"] == "dpo":
                assert abs(told["step0_loss"] - 0.693147) < 1e-3
    for arm in [*(path.relative_to(results / "train") for path in arms), "nemotron-8b/base"]:
        scored = [row for path in (results / "evaluate" / arm).glob("*.parquet") for row in tables.read(path, Score)]
        assert {row.benchmark for row in scored} == set(BENCHMARKS)
        for benchmark, samples in {"amc": 16, "aime_2024": 16, "aime_2025": 16, "gsm8k": 1}.items():
            times = 4 if arm == "nemotron-8b/base" else 1
            assert {row.sample for row in scored if row.benchmark == benchmark} == set(range(times * samples))


def test_the_report_is_made(results: Path) -> None:
    page = (results / "report/index.html").read_text(encoding="utf-8")
    for title in ("GSM8K", "OlympiadBench", "LiveCodeBench", "TheoremQA"):
        assert title in page


def test_what_it_measured_replaces_what_is_assumed_of_planted_studies(checkout: Path) -> None:
    done = started(checkout, sys.executable, "-c", MEASURED)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert set(told["measured"]) >= {"generator_accuracy", "usable_share", "zero_share"}
    assert set(told["counted"]) == {"train", *BENCHMARKS}
    assert told["prompts"] == TRAINING_PROBLEMS - 1


MEASURED = """
import json
from pathlib import Path
from prefdelta.commands.study_options import open_study
from prefdelta.study.shape import assumptions_of, shape_of
study = open_study(Path("full.yaml"))
shape = shape_of(study)
found = assumptions_of(study, shape)
print(json.dumps({"measured": sorted(found.measured), "counted": sorted(shape.counted), "prompts": shape.prompts}))
"""


def test_it_runs_nothing_again(checkout: Path) -> None:
    done = snakemake(checkout, *CONFIG)
    assert "Nothing to be done" in done.stdout + done.stderr


# --- replies to the benchmarks' own items ---

CODE = {
    "sum": "a, b = map(int, input().split())\nprint(a + b)",
    "twice": "class Solution:\n    def double(self, n):\n        return 2 * n",
}


def right_reply(benchmark: str, prompt: Prompt) -> str:
    match benchmark:
        case "livecodebench":
            answer = f"```python\n{next(code for word, code in CODE.items() if word in prompt.text)}\n```"
        case "mmlu_pro":
            answer = f"The answer is ({prompt.answers[0]})."
        case "theoremqa":
            answer = f"The answer is {json.loads(prompt.answers[0])['answer']}."
        case _:
            answer = f"So it is $\\boxed{{{prompt.answers[0].strip('$')}}}$."
    return f"<think>\nIt may be \\boxed{{0}}, or (A).\n</think>\n\n{answer}"


WRONG = {
    "livecodebench": "```python\nprint(input())\n```",
    "mmlu_pro": "The answer is (A).",
    "theoremqa": "The answer is 12345.",
}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_right_wrong_and_missing_answers_to_a_benchmark_are_told_apart(results: Path, benchmark: str) -> None:
    source = yaml.safe_load((ROOT / f"resources/benchmarks/{benchmark}.yaml").read_text(encoding="utf-8"))["source"]
    grader = plugins.load(f"graders.{source['grader']}")
    prompts = tables.read(results / f"prompts/{benchmark}.parquet", Prompt)
    assert len(prompts) >= 2
    for prompt in prompts:
        replies = [right_reply(benchmark, prompt), WRONG.get(benchmark, "\\boxed{12345}"), "<think>\nI never stop"]
        answers = [SimpleNamespace(text=text, finish_reason="stop", failure=None) for text in replies]
        graded = grade_all([(grader, answer, prompt.answers) for answer in answers], 2)
        assert [one.correct for one in graded] == [True, False, None], prompt.text
        assert graded[2][2] == "no_answer"
