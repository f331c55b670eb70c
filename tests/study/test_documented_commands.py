"""The commands of README and documentation for the small study, run as they stand where it has run.

The tiny study has mini's name, config file and one of its pairings. What it has under another name is exchanged.
"""

import shlex
from pathlib import Path

import pytest

from docs.commands import ROOT, Command, commands
from once import copied
from prefdelta.commands.main import main
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.store import tables

CONFIGURED = "--configfile resources/studies/mini.yaml"
RESULTS = Path("results/mini")
# What takes minutes, or needs a failure, is run by other tests.
ELSEWHERE = {
    "worlds": "tests/commands/test_worlds.py",
    "doctor": "tests/commands/test_doctor.py",
    "retry": "tests/commands/test_retry.py",
    "preview": "tests/commands/test_preview.py",
}
CHANGING = ("invalidate", "gc", "run-by-hand")
# A name in the documentation -> the tiny study's. Ids of a pair, its prompt and an item come from the tables.
NAMES = {
    "top-mean-700": "top-mean-4",
    "random-700-s0": "swapped",
    "mini_maths_hard": "mini_maths_easy",
    "--level hard": "--level easy",
    "step_coherence": "computational_precision",
    "judge/g4/logic": "judge/g3/both",
}
PAIR, PROMPT, ITEM = "930318fe", "c683df5b", "02c7d1b4"


def runnable() -> list[Command]:
    found = {command.text: command for command in commands() if CONFIGURED in command.text}
    return [
        command for command in found.values() if command.words[0] == "prefdelta" and command.words[1] not in ELSEWHERE
    ]


@pytest.fixture(scope="module")
def checkout(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tiny_study, tmp_path_factory.mktemp("documented") / "study")


def words_there(command: Command) -> list[str]:
    """The words of a command, with the names and ids of the study in the working directory."""
    pair = next(row for row in tables.read(RESULTS / "pair/g3~g1.parquet", Pair) if row.eligible)
    item = tables.read(RESULTS / f"prompts/{NAMES['mini_maths_hard']}.parquet", Prompt)[0]
    text = command.text
    for name, other in {**NAMES, PAIR: pair.pair_id, PROMPT: pair.prompt_id, ITEM: item.prompt_id}.items():
        text = text.replace(name, other)
    return shlex.split(text)[1:]


@pytest.mark.parametrize("command", [pytest.param(command, id=command.text) for command in runnable()])
def test_it_runs(
    command: Command,
    checkout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = copied(checkout, tmp_path / "study") if command.words[1] in CHANGING else checkout
    monkeypatch.chdir(folder)
    code = main(words_there(command))
    shown = capsys.readouterr()
    assert code in ((0, 1) if command.words[1] == "audit" else (0,)), shown.err
    assert shown.out.strip() or "--run" in command.words  # a job by hand writes where this process does


def test_names_and_ids_of_the_documentation_are_exchanged_because_they_are_there() -> None:
    text = " ".join(command.text for command in runnable())
    assert all(name in text for name in (*NAMES, PAIR, PROMPT, ITEM))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_not_run_here_is_run_by_another_test(name: str) -> None:
    assert f'"{name}"' in (ROOT / ELSEWHERE[name]).read_text(encoding="utf-8")
