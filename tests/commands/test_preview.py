"""`prefdelta preview`: models of random weights in this machine's processes, and a judge of the test's own."""

import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines.scripted import ScriptedServer
from once import copied
from prefdelta.commands.main import main
from prefdelta.core.settings import Settings
from prefdelta.stages import judge as judge_stage
from prefdelta.workflow.job import Job
from study.miniature import judge as scripted_judge
from study.miniature import make_model

from .made import CONFIG, DIMENSIONS, RECORD, RESULTS, study_here

KEY = "PREVIEW_JUDGE_KEY"
COMMAND = ["preview", "--configfile", CONFIG, "--rows", "2", "--json"]


def write_study(**judge: Any) -> None:
    """Let the study in the working directory ask models of the hub, and this judge."""
    study = yaml.safe_load(Path(CONFIG).read_text())
    study["models"] = {name: {"hub": f"./hub/{name}"} for name in ("pa", "g3")}
    engine = {"name": "openai", "model": "example-judge", "api_key_env": KEY, "deadline_s": 20}
    study["judge"]["engine"] = engine | judge
    for section in ("generate", "evaluate"):
        study[section]["engine"] = {"name": "transformers", "batch_size": 4, "threads": 1, "dtype": "float32"}
    sampling = {"temperature": 1.0, "max_tokens": 8}
    study["generate"]["sampling"] = sampling
    study["evaluate"]["groups"]["sampled"]["sampling"] = sampling
    study["evaluate"]["groups"]["sampled"].pop("base_temperatures", None)
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))


def files() -> dict[str, bytes]:
    """The study's tables and manifests."""
    paths = (path for path in RESULTS.rglob("*") if path.is_file() and not path.is_relative_to(RECORD))
    return {str(path): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    os.environ[KEY] = "a key"
    with ScriptedServer(scripted_judge) as found:
        yield found
    del os.environ[KEY]


@pytest.fixture(scope="module")
def place(made_audited: Path, tmp_path_factory: pytest.TempPathFactory, server: ScriptedServer) -> Iterator[Path]:
    """A study whose traces are there, and whose judge and models can be asked; the working directory."""
    folder, before = copied(made_audited, tmp_path_factory.mktemp("preview") / "study"), Path.cwd()
    os.chdir(folder)
    make_model(Path("hub/pa"))
    write_study(base_url=server.base_url)
    yield folder
    os.chdir(before)


def missing() -> int:
    """How many verdicts on g3's traces a run would ask for."""
    (job,) = (job for job in study_here().jobs("judge") if job.axes["generator"] == "g3")
    inputs = {name: list(map(Path, paths)) for name, paths in job.inputs.items()}
    settings: Settings = job.typed_settings
    assert isinstance(settings, judge_stage.JudgeSettings)
    return judge_stage.missing(Job(settings, inputs, {}, RECORD))


@pytest.fixture(scope="module")
def previewed(place: Path) -> dict[str, Any]:
    """A preview of all stages, and what it changed."""
    before, asked_before = files(), missing()
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(COMMAND) == 0
    return {**json.loads(out.getvalue()), "changed": files() != before, "spared": asked_before - missing()}


def jobs(previewed: dict[str, Any], stage: str) -> dict[str, Any]:
    return {job["name"]: job for job in previewed["jobs"] if job["stage"] == stage}


def test_a_generator_is_rendered_asked_and_graded(previewed: dict[str, Any]) -> None:
    job = jobs(previewed, "generate")["generate/g1"]
    assert job["rendered"]
    assert job["prompt"].startswith("<|user|>What is ")
    assert job["prompt"].endswith("<|eot|><|assistant|>")
    assert (job["asked"], job["kept"], job["not_asked"]) == (2, False, None)
    # Random weights end no reply.
    assert {(row["tokens"], row["finish_reason"], row["result"]) for row in job["rows"]} == {(8, "length", "truncated")}


def test_a_model_that_is_not_here_is_counted_and_not_asked(previewed: dict[str, Any]) -> None:
    job = jobs(previewed, "generate")["generate/g3"]
    assert (job["rows"], job["rendered"]) == ([], False)
    assert "not on this machine" in job["not_asked"]
    assert "What is " in job["prompt"]


def test_a_judge_rates_traces_and_the_run_will_not_ask_again(previewed: dict[str, Any]) -> None:
    (job,) = jobs(previewed, "judge").values()
    assert (job["asked"], job["kept"], len(job["rows"])) == (2, True, 2)
    assert {row["result"] for row in job["rows"]} == {"computational_precision 5, signal_to_noise 5"}
    assert "<trace>" in job["prompt"]
    assert previewed["spared"] == 2


def test_traces_are_scored_and_pairs_tokenised(previewed: dict[str, Any]) -> None:
    (reference,) = jobs(previewed, "reference").values()
    assert (reference["asked"], reference["kept"]) == (2, False)
    assert all(row["result"].endswith(" nats") for row in reference["rows"])
    (train,) = jobs(previewed, "train").values()
    assert train["name"] == "train/pa/g3~g1"
    longest = max(row["tokens"] for row in train["rows"])
    assert train["facts"]["longest row"].startswith(f"{longest} tokens")


def test_an_untrained_policy_answers_items(previewed: dict[str, Any]) -> None:
    (job,) = jobs(previewed, "evaluate").values()
    assert (job["name"], job["asked"], len(job["rows"])) == ("evaluate/pa/base-sampled", 2, 2)


def test_no_table_is_written(previewed: dict[str, Any]) -> None:
    assert not previewed["changed"]


def test_costs_are_of_all_rows_of_the_study(previewed: dict[str, Any]) -> None:
    cost = {row["stage"]: row for row in previewed["cost"]}
    assert (cost["judge"]["jobs"], cost["judge"]["amount"]["value"]) == (2, 4000)  # the config has 2,000 prompts
    # A token of the scripted judge's verdict: 7 by its own count.
    assert cost["judge"]["tokens"] == {"value": 28000, "basis": "estimated"}
    assert cost["evaluate"]["unit"] == "calls"


def test_a_second_preview_asks_the_judge_nothing(
    previewed: dict[str, Any], server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(server.seen)
    assert main([*COMMAND, "--stage", "judge"]) == 0
    (job,) = json.loads(capsys.readouterr().out)["jobs"]
    assert (job["asked"], len(job["rows"])) == (0, 2)
    assert len(server.seen) == before


@pytest.mark.parametrize(
    ("judge", "limit", "why"),
    [
        ({"prices": "resources/prices/example.yaml"}, "0.000001", "limit_usd (0.0000 USD"),
        ({}, "1", "--limit-usd cannot be kept"),
    ],
)
def test_a_hosted_judge_is_not_asked_beyond_the_limit(
    place: Path,
    server: ScriptedServer,
    capsys: pytest.CaptureFixture[str],
    judge: dict[str, str],
    limit: str,
    why: str,
) -> None:
    write_study(base_url=server.base_url, provider=f"another for {limit}", **judge)  # nothing of it is recorded
    before = len(server.seen)
    assert main([*COMMAND, "--stage", "judge", "--limit-usd", limit]) == 0
    (job,) = json.loads(capsys.readouterr().out)["jobs"]
    assert why in job["not_asked"]
    assert len(server.seen) == before


def test_what_the_previewed_replies_cost_is_reckoned_up(
    place: Path, server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(base_url=server.base_url, provider="priced", prices="resources/prices/example.yaml")
    assert main([*COMMAND, "--stage", "judge"]) == 0
    found = json.loads(capsys.readouterr().out)
    (cost,) = found["cost"]
    one = (3 * 1.0 + 7 * 4.0) / 1e6  # the scripted judge's count of tokens
    assert [row["usd"] for row in found["jobs"][0]["rows"]] == pytest.approx([one, one])
    assert cost["usd_by_preview"] == pytest.approx(4000 * one)


def test_the_limit_is_one_for_all_forms(
    place: Path, server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request may cost 25.6 USD and costs 0.7: a second one does not fit into 26."""
    Path("dear.yaml").write_text("models: { example-judge: { input: 0, output: 100000 } }\n")
    write_study(base_url=server.base_url, provider="dear", prices="dear.yaml")
    study = yaml.safe_load(Path(CONFIG).read_text())
    study["judge"]["forms"] = {dimension: [dimension] for dimension in DIMENSIONS}
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))
    assert study["judge"]["sampling"]["max_tokens"] == 256
    before = len(server.seen)
    assert main([*COMMAND, "--rows", "1", "--stage", "judge", "--limit-usd", "26"]) == 0
    first, second = json.loads(capsys.readouterr().out)["jobs"]
    assert (first["asked"], first["not_asked"]) == (1, None)
    assert "limit_usd" in second["not_asked"]
    assert len(server.seen) == before + 1
