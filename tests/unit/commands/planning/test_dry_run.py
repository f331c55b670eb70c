"""Reading the command of a planned job."""

import shlex

import pytest

from prefdelta.commands.planning.dry_run import words_of

WORDS = ["a=b", "", "two words", "it's", "''", '{"k": "v\\n", "q": "it\'s"}', "x\ny", "a=~b/c*", "\\", '"', "né"]


@pytest.mark.parametrize("words", [WORDS, [*reversed(WORDS)], ["a", "", ""]])
def test_the_words_of_a_command_are_those_of_a_shell(words: list[str]) -> None:
    command = f"exec python -m x --in {shlex.join(words)} 2> 'a b'"
    assert words_of(command) == shlex.split(command) == ["exec", "python", "-m", "x", "--in", *words, "2>", "a b"]
