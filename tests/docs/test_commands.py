"""Every command of README and documentation can be typed: the program knows it, and its files are there."""

import re
from collections import Counter
from importlib.util import find_spec

import pytest

from prefdelta.commands.main import COMMANDS, parser_of

from .commands import PAGES, ROOT, Command, commands

ALL = list(commands())


def of(*programs: str) -> list:
    return [
        pytest.param(command, id=f"{command.page}: {command.text}")
        for command in ALL
        if command.words[0] in programs and command.whole
    ]


def test_the_pages_name_commands_of_each_kind() -> None:
    counts = Counter(command.words[0] for command in ALL)
    assert counts["prefdelta"] > 50
    assert counts["make"] > 20
    assert counts["snakemake"] > 5
    assert counts["python"] > 5
    assert len(PAGES) > 20


@pytest.mark.parametrize("command", of("prefdelta"))
def test_prefdelta_takes_its_options(command: Command) -> None:
    words = command.words[1:]
    parser, module = parser_of(words)
    assert module is not None
    parser.parse_args(words)  # SystemExit: not this way


def test_a_command_that_is_only_named_exists() -> None:
    named = {command.words[1] for command in ALL if command.words[0] == "prefdelta" and not command.whole}
    assert named
    assert named <= COMMANDS.keys()


def test_every_command_of_prefdelta_is_in_the_documentation() -> None:
    named = {command.words[1] for command in ALL if command.words[0] == "prefdelta"}
    assert COMMANDS.keys() <= named


@pytest.mark.parametrize("command", of("snakemake"))
def test_snakemake_takes_its_options(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from snakemake.cli import parse_args

    monkeypatch.chdir(ROOT)
    _, arguments = parse_args(command.words[1:])
    assert arguments.cores or arguments.jobs or arguments.dryrun


@pytest.mark.parametrize("command", of("make"))
def test_make_has_the_target(command: Command) -> None:
    target = command.words[1]
    assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for word in command.words[2:]:
        assert re.search(rf"\b{word.partition('=')[0]}\b", (ROOT / "Makefile").read_text())


@pytest.mark.parametrize("command", of("python", "bash"))
def test_the_script_is_there(command: Command) -> None:
    words = command.words[1:]
    if words[0] == "-m":
        assert find_spec(words[1])
    files = [word for word in words if "/" in word]
    assert words[0] == "-m" or files
    for file in files:
        assert (ROOT / file).exists(), file
