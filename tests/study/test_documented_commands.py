"""The commands of README and documentation for the small study, run as they stand where it has run.

The tiny study has mini's name, config file and one of its pairings, so what is written for mini can be typed there.
"""

from pathlib import Path

import pytest

from docs.commands import ROOT, Command, commands
from once import copied
from prefdelta.commands.main import main

CONFIGURED = "--configfile resources/studies/mini.yaml"
# What takes minutes, or needs a person's files, is run by other tests.
ELSEWHERE = {
    "worlds": "tests/commands/test_worlds.py",
    "doctor": "tests/commands/test_doctor.py",
    "retry": "tests/commands/test_retry.py",
}
CHANGING = ("invalidate", "gc")


def runnable() -> list[Command]:
    found = {
        command.text: command
        for command in commands()
        if command.words[0] == "prefdelta" and command.whole and CONFIGURED in command.text
    }
    return [command for command in found.values() if command.words[1] not in ELSEWHERE]


@pytest.fixture(scope="module")
def checkout(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tiny_study, tmp_path_factory.mktemp("documented") / "study")


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
    code = main(command.words[1:])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    assert shown.out.strip()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_not_run_here_is_run_by_another_test(name: str) -> None:
    assert f'"{name}"' in (ROOT / ELSEWHERE[name]).read_text(encoding="utf-8")
