"""`prefdelta worlds`, at the command line."""

import json
from pathlib import Path

import pytest

from prefdelta.commands.main import main
from prefdelta.reporting.worlds.worlds import WORLDS

from .made import CONFIG, ROOT

WORDS = ["worlds", "--configfile", CONFIG, "--studies", "2"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A checkout of mini without results."""
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    monkeypatch.chdir(tmp_path)


def test_every_world_and_every_assumption_is_told_and_the_same_twice(capsys):
    assert main(WORDS) == 0
    told = capsys.readouterr().out
    for world in WORLDS.values():
        assert f"\n{world.name}: " in told
    assert "run_sd 1 (assumed): " in told
    assert "problems: train 1,500, mini_maths_easy 400" in told
    assert max(map(len, told.splitlines())) <= 120
    assert main(WORDS) == 0
    assert capsys.readouterr().out == told


def test_some_worlds_with_another_variance_of_runs_for_a_program(capsys):
    words = [*WORDS, "--world", "delta", "--world", "length", "--run-sd", "0.5", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["worlds"]) == ["delta", "length"]
    assert told["studies"] == 2
    assert told["assumptions"]["run_sd"] == {
        "value": 0.5,
        "basis": "assumed",
        "meaning": told["assumptions"]["run_sd"]["meaning"],
    }
    for world in told["worlds"].values():
        for shares in world["claims"].values():
            assert sum(shares.values()) == 1


def test_a_number_of_studies_below_one_is_refused(capsys):
    assert main(["worlds", "--configfile", CONFIG, "--studies", "0"]) == 2
    assert "--studies must be at least 1" in capsys.readouterr().err
    assert not Path("results").exists()
