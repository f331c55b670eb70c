"""The shape of a study, from its config."""

import json
from pathlib import Path

import pytest
import yaml

from prefdelta.core.arms import Pairing
from prefdelta.reporting.claims.verdicts import judge_claims, read_claims
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.reporting.numbers.generators import Grades
from prefdelta.reporting.worlds.assumptions import default_assumptions
from prefdelta.reporting.worlds.measured import measured
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.shape import PlannedRecipe
from prefdelta.reporting.worlds.worlds import WORLDS
from prefdelta.study.shape import assumptions_of, shape_of
from prefdelta.study.study import Study

ROOT = Path(__file__).parents[3]
MINI = "tests/studies/small.yaml"


def read(config):
    return Study(yaml.safe_load((ROOT / config).read_text()), config)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder without results."""
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_the_full_study_has_the_declared_problems_and_the_config_s_limits():
    found = shape_of(read("config.yaml"))
    assert len(found.arms) == 174
    assert found.items["gsm8k"] == 1319
    assert found.items["mmlu_pro"] == 1000
    assert found.prompts == 22_000
    assert found.samples[Evaluation("maths", "aime_2024")] == 16
    assert found.samples[Evaluation("code", "livecodebench")] == 1
    assert found.benchmarks["olympiadbench"].note == "maths, hard"
    assert list(found.generators)[-1] == "r1"
    assert found.is_confounded(Pairing("r1", "s1-3b"))
    assert not found.is_confounded(Pairing("s1-7b", "s1-3b"))
    assert found.recipes["dpo-few"] == PlannedRecipe(contrasts=True, epochs=None, pairs=1000)
    assert found.recipes["kto"].seen(500) == 500
    assert not found.recipes["sft"].contrasts
    assert found.sets["scaling"][1] == 10_000
    assert found.cell_pairs == 3500
    assert not found.counted


@pytest.mark.usefixtures("here")
def test_a_study_with_several_draws_of_traces_is_planted_with_their_luck():
    content = yaml.safe_load((ROOT / MINI).read_text())
    for name in ("scaling", "filtering"):
        content["experiments"][name] |= {"draws": [0, 1, 2], "seeds": [0, 1]}
    found = shape_of(Study(content, MINI))
    assert {arm.draw for arm in found.arms} == {0, 1, 2}
    assert {pairing.draw for pairing in found.pairings} == {0}
    usual = default_assumptions(found, run_sd=3.0)
    planted = Planter(found, usual).plant(WORLDS["delta"], 0)
    runs = planted.scores.run_variance(planted.scores.evaluations(primary=True))
    assert (runs.seeds.df, runs.traces.df) == (3 * (6 + 12), 2 * (6 + 10))
    again = measured(usual, found, planted.scores, Grades([], "mini"), Pairings([], [], "mini", found.dimensions))
    assert again.run_sd == pytest.approx(3.0, rel=0.3)
    assert again.trace_share == pytest.approx(0.75, abs=0.2)
    claims = judge_claims(read_claims(ROOT / "resources/claims.yaml"), planted, "")
    seeds = {seed for result in claims.results for number in result.numbers for seed in number.number.seeds}
    assert {"0", "1", "0@2", "1@2"} <= seeds


@pytest.mark.usefixtures("here")
def test_the_ladder_of_mini_aims_at_an_accuracy_and_a_group_may_leave_experiments_out():
    found = shape_of(read(MINI))
    assert found.generators["g1"].accuracy == pytest.approx(0.255)
    assert len(found.evaluated["sampled"]) == len(found.arms) > len(found.evaluated["greedy"])
    assumptions = assumptions_of(read(MINI), found)
    assert assumptions.generator_accuracy["g1"] == pytest.approx(0.255)
    assert not assumptions.measured


def test_prompts_that_were_made_are_counted(here):
    path = here / "results/mini/prompts/mini_code.manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"rows": 480, "failures": {"repeated": 7}}))
    found = shape_of(read(MINI))
    assert found.items["mini_code"] == 473
    assert found.items["mini_stem"] == 500
    assert found.counted == {"mini_code"}
