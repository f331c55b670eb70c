"""Output of commands: what is printed into a pipe, and what into a terminal."""

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass

from prefdelta.commands.output import (
    Branch,
    Column,
    print_facts,
    print_json,
    print_line,
    print_quoted,
    print_table,
    print_tree,
)

TEXT = "\x1b[2Jgone [bold]\x7f\u202e"
COLUMNS = [Column("text", str), Column("length", lambda text: str(len(text)), right=True)]


@dataclass
class Document:
    text: str
    inner: dict[str, float | None]


def test_a_line_is_printed_as_text(capsys):
    print_line(TEXT)
    assert capsys.readouterr().out == "\\x1b[2Jgone [bold]\\x7f\\u202e\n"


def test_a_piped_table_has_one_line_for_each_row(capsys):
    print_table(COLUMNS, ["one\ntwo", TEXT])
    assert capsys.readouterr().out.splitlines() == [
        "text                          length",
        "one two                            7",
        r"\x1b[2Jgone [bold]\x7f\u202e      17",
    ]


def test_facts_and_a_tree_are_plain_when_piped(capsys):
    print_facts({"name": "value", "longer name": "a\nb"})
    print_tree(Branch("root", [Branch("first", [Branch("leaf")]), Branch("second")]))
    assert capsys.readouterr().out.splitlines() == [
        "name         value",
        "longer name  a b",
        "root",
        "  first",
        "    leaf",
        "  second",
    ]


def test_every_line_of_quoted_text_is_marked(capsys):
    print_quoted("a\n\x0berror: not ours\n")
    assert capsys.readouterr().out.splitlines() == ["  | a", r"  | \x0berror: not ours", "  | "]


def test_json_is_one_document_with_the_text_as_it_is(capsys):
    print_json(Document(TEXT, {"value": None, "low": 0.5}))
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"text": TEXT, "inner": {"value": None, "low": 0.5}}
    assert printed.isascii()
    assert not {"\x1b", "\x7f"} & set(printed)


def test_in_a_terminal_a_table_and_a_tree_are_drawn_and_text_of_a_model_is_still_text():
    script = f"""
from prefdelta.commands.output import *
print_table([Column("text", str), Column("length", lambda text: str(len(text)), right=True)], [{TEXT!r}])
print_tree(Branch("root", [Branch({TEXT!r})]))
print_facts({{"name": {TEXT!r}}})
"""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen([sys.executable, "-c", script], stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "─" in text  # the line below the head of a table
    assert "└──" in text
    assert text.count(r"\x1b[2Jgone [bold]\x7f\u202e") == 3
    assert "\x1b[2J" not in text
    assert "\u202e" not in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""
