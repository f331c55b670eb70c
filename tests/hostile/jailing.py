"""Running hostile programs: under small limits, and seeing from outside what is left of them."""

import itertools
import json
import os
import textwrap
import time
from pathlib import Path

from prefdelta.core.answers.code_tests import humaneval_tests
from prefdelta.graders import code
from prefdelta.graders.sandbox import Jail, Limits, Run

_marks = itertools.count(os.getpid() * 1000)


def small_limits(**changes) -> Limits:
    """Limits that no other jail has: its processes can be told by them, since they stand in their command lines."""
    return Limits(**{"wall_s": 5.0, "cpu_s": 2, "output_bytes": 100_000 + next(_marks), **changes})


def processes_under(limits: Limits) -> list[int]:
    """The processes, anywhere on this machine, of a jail with these limits."""
    mark = f'"output_bytes": {limits.output_bytes}'.encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has just ended
            continue
    return found


def wait_until_gone(limits: Limits, seconds: float = 5.0) -> bool:
    ends = time.monotonic() + seconds
    while processes_under(limits):
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def run(program: str, limits: Limits | None = None) -> Run:
    """Run a program once. Whatever it does, a well-behaved program runs after it and nothing of it is left."""
    limits = limits or small_limits()
    program = textwrap.dedent(program)
    with Jail(f"if input() == 'attack':\n{textwrap.indent(program, '    ')}\nelse:\n    print('fine')", limits) as jail:
        before = len(processes_under(limits))
        found = jail.script("attack\n")
        assert len(processes_under(limits)) == before
        assert jail.script("behave\n") == Run(True, b"fine\n")
    assert wait_until_gone(limits)
    return found


def says(program: str, limits: Limits | None = None) -> str:
    """What a program says that reports on its own attempts."""
    found = run(program, limits)
    assert found.well
    return found.output.decode().strip()


def tries(*attempts: str, setting: str = "") -> str:
    """A program that prints each attempt that did not fail."""
    parts = [textwrap.dedent(setting)]
    for attempt in attempts:
        parts.append(f"try:\n{textwrap.indent(textwrap.dedent(attempt), '    ')}\n    print({attempt!r})")
        parts.append("except OSError:\n    pass")
    return "\n".join(parts)


def grades(program: str) -> list[bool]:
    """Whether a program, whose function `f` should add one, is right: by its output, by its result, by assertions."""
    reply = f"```python\n{textwrap.dedent(program)}\n```"
    fields = {"function": "", "setup": "", "private": "", "public": [{"input": "41", "output": "42"}]}
    answers = [
        json.dumps({**fields, "kind": "stdin"}),
        json.dumps({**fields, "kind": "call", "function": "f"}),
        humaneval_tests("def f(x):\n    pass\n", "def check(candidate):\n    assert candidate(41) == 42\n", "f"),
    ]
    found = [code.grade(reply, [answer]) for answer in answers]
    return [grade[1] for grade in found if grade]
