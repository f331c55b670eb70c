"""What benchmarks/bookkeeping_cost.py puts into every process of the runs that it compares."""

import json
import os
from pathlib import Path

import pytest

from engines.scripted import ScriptedServer, body, completion
from prefdelta.core.asking.engine_options import OpenAIOptions

from .conftest import Made, judge_inputs, judge_settings
from .starting import start

PATCHES = Path(__file__).parents[2] / "benchmarks/bookkeeping"
VERDICT = body(completion(content='{"computational_precision": 4, "signal_to_noise": 2}'))


def test_a_stage_writes_the_same_table_with_its_bookkeeping_timed_and_without_it(
    train_prompts: Made, traces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "bookkeeping.jsonl"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PATCHES), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("BOOKKEEPING_LOG", str(log))
    monkeypatch.setenv("SCRIPTED_KEY", "sk-x")
    written = {}
    with ScriptedServer(VERDICT) as server:
        engine = OpenAIOptions(
            name="openai", model="scripted", base_url=server.base_url, api_key_env="SCRIPTED_KEY", in_flight=8
        )
        for variant in ("timed", "without"):
            monkeypatch.setenv("BOOKKEEPING", variant)
            folder = tmp_path / variant
            outputs = {"judgements": folder / "j.parquet"}
            inputs = judge_inputs(train_prompts.path, traces["weak"])
            process = start("judge", judge_settings(engine=engine), inputs, outputs, folder / "record")
            _, told = process.communicate(timeout=60)
            assert process.returncode == 0, told
            written[variant] = (folder / "j.parquet").read_bytes()
    assert written["timed"] == written["without"]
    (line,) = log.read_text().splitlines()
    assert {"Record.flush", "Ownership.__init__", "Staging.remove"} < json.loads(line)["seconds"].keys()
    assert list((tmp_path / "timed/record/calls").rglob("*.parquet"))
    assert not (tmp_path / "without/record").exists()
