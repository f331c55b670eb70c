"""`prefdelta export policy`: a policy that transformers loads, with a card that the hub's library reads."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.export.accuracies import MeasuredAccuracy
from prefdelta.commands.export.policy import eval_results
from prefdelta.core.statistics import wilson_interval
from prefdelta.records.details.contract import NoDetails
from prefdelta.records.manifest import JobRun, Manifest
from prefdelta.records.score import Score
from prefdelta.store import tables
from prefdelta.store.checkpoints import remove_weights
from prefdelta.study.study import Study
from prefdelta.system.files import sha256_of

from .export_made import STARTED, change_study, export
from .made import ALL, RECORD, RESULTS, ROOT, small_study

OUT = Path("out")
WEIGHTS = RECORD / "policies/policy-all"


pytestmark = pytest.mark.usefixtures("exporting")


def test_a_policy_is_copied_as_it_is_with_a_card_and_its_lineage():
    from huggingface_hub import ModelCard
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert export("policy", ALL, "--out", OUT, "--license", "apache-2.0") == 0
    assert AutoModelForCausalLM.from_pretrained(OUT).config.hidden_size == 16
    assert "<assistant>" in AutoTokenizer.from_pretrained(OUT).chat_template
    assert (OUT / "model.safetensors").read_bytes() == (WEIGHTS / "model.safetensors").read_bytes()
    card = ModelCard.load(OUT / "README.md")
    assert card.data.license == "apache-2.0"
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 100.0)
    assert "must not be used" in card.text
    lineage = json.loads((OUT / "lineage.json").read_text())
    assert lineage["arm"] == ALL
    assert {name: sha256_of(OUT / name) for name in lineage["sha256"]} == lineage["sha256"]
    assert not (OUT / "sealed.json").exists()


def test_the_same_benchmark_in_two_groups_keeps_both_results_and_their_groups():
    """The hub's library joins results of one data set: what tells them apart must stand with the metric."""
    from huggingface_hub import ModelCard

    sampled = small_study()["evaluate"]["groups"]["sampled"]
    greedy = sampled | {"title": "Greedy", "primary": False, "sampling": {"temperature": 0.0, "max_tokens": 80}}
    for table in list(RESULTS.glob("evaluate/**/sampled.parquet")):
        rows = tables.read(table, Score)
        if ALL in table.as_posix():
            rows = [replace(row, correct=number > 1) for number, row in enumerate(rows)]
        tables.write(table.with_name("greedy.parquet"), Score, rows)
    change_study(evaluate={"groups": {"sampled": sampled, "greedy": greedy}})
    assert export("policy", ALL, "--out", OUT) == 0
    found = {result.metric_args["group"]: result for result in ModelCard.load(OUT / "README.md").data.eval_results}
    assert {name: result.metric_value for name, result in found.items()} == {"sampled": 100.0, "greedy": 66.6667}
    assert found["greedy"].metric_args["temperature"] == 0.0
    for name, result in found.items():
        assert f"group {name}, 95% interval" in result.metric_name
        low, high = map(float, re.search(r"interval ([0-9.]+) to ([0-9.]+)", result.metric_name).groups())
        assert low <= result.metric_value <= high  # one unit


def test_results_of_a_changed_table_are_refused(capsys):
    table = RESULTS / f"evaluate/{ALL}/sampled.parquet"
    tables.write(table, Score, [replace(row, correct=False) for row in tables.read(table, Score)])
    assert export("policy", ALL, "--out", OUT) == 2
    assert str(table) in capsys.readouterr().err
    assert not OUT.exists()


def test_weights_that_are_gone_or_damaged_are_refused(capsys):
    (WEIGHTS / "model.safetensors").write_bytes(b"flipped")
    assert export("policy", ALL, "--out", OUT) == 2
    remove_weights(RECORD / "policies/policy-top")
    assert export("policy", "pa/g3~g1/top-mean-4/dpo/s0", "--out", OUT) == 2
    assert "invalidate" in capsys.readouterr().err
    assert not OUT.exists()


def test_results_on_data_sets_of_the_hub_have_the_hubs_own_form(monkeypatch, tmp_path):
    """Read back by the hub's library, which knows the form."""
    from huggingface_hub import parse_eval_result_entries

    monkeypatch.chdir(ROOT)
    study = Study(yaml.safe_load((ROOT / "config.yaml").read_text()), "config.yaml")
    asked = {"gsm8k": {"samples": 1, "grader": "maths"}, "mini_code": {"samples": 1, "grader": "marker"}}
    settings = {"benchmarks": asked, "sampling": {"temperature": 0.6, "max_tokens": 512}}
    manifest = Manifest(
        stage="evaluate", rows=1, failures={}, details=NoDetails(), settings=settings,
        run=JobRun(STARTED, 1.0, 1.0, 1),
    )  # fmt: skip
    estimate = wilson_interval(3, 4)
    result = MeasuredAccuracy("sampled", "gsm8k", estimate, None, 4, 4, 0.0, 4, tmp_path, tmp_path, manifest)
    ((path, text),) = eval_results(study, [result]).items()
    assert path == ".eval_results/gsm8k.yaml"
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("openai/gsm8k", "main", 75.0)
    assert entry.date == STARTED
    assert "95% interval 30.06 to 95.44" in entry.notes
