"""Programs that models wrote, graded: the grader `code` beside one `bwrap python program.py` for each test.

    PYTHONPATH=benchmarks .venv/bin/python -m bench.sandbox        about 75 s on two idle cores

sandbox-one: 200 programs of one test each. sandbox-twenty: 20 programs of twenty tests each. Both sides grade one
program after the other. Ours: `grade_all` on one thread, in a jail per program, with all limits. Theirs: bubblewrap
with new namespaces, a read-only system and a private /tmp, but without a filter of system calls, without limits on
memory, processes and output, and without LiveCodeBench's imports; each program is a file in a folder of its own. Before
any time is printed, both must give each program the expected verdict.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench.side_by_side import side_by_side

PROGRAMS = {"one": (200, 1), "twenty": (20, 20)}  # programs, tests of each
RIGHT = """\
import sys
from collections import Counter

def main():
    n, *numbers = map(int, sys.stdin.read().split())
    counts = Counter(numbers[:n])
    best = max(counts, key=lambda number: (counts[number], -number))
    print(best, counts[best])

main()
"""
WRONG = RIGHT.replace("-number", "number")
BWRAP = [
    *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--ro-bind", "/", "/"),
    *("--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
]


class Reply(NamedTuple):
    """What the grader sees of a trace."""

    text: str
    finish_reason: str = "stop"
    failure: str | None = None


Case = tuple[str, str]


def programs(count: int, tests: int) -> list[tuple[str, list[Case]]]:
    """(program, its tests) of each; each tenth program fails its last test."""
    cases = []
    for number in range(tests):
        numbers = [(3 * place + number) % (7 + number) for place in range(50)]
        best = max(sorted(set(numbers)), key=numbers.count)
        cases.append((f"{len(numbers)}\n{' '.join(map(str, numbers))}\n", f"{best} {numbers.count(best)}\n"))
    cases[-1] = ("4\n1 1 2 2\n", "1 2\n")
    return [(WRONG if place % 10 == 9 else RIGHT, cases) for place in range(count)]


def ours(drawn: list[tuple[str, list[Case]]]) -> list[bool | None]:
    from prefdelta.core.answers.code_tests import livecodebench_tests
    from prefdelta.core.answers.grading import grade_all
    from prefdelta.graders.code import grade

    plan = []
    for program, cases in drawn:
        public = [{"input": given, "output": wanted, "testtype": "stdin"} for given, wanted in cases]
        answers = [livecodebench_tests(json.dumps(public), "[]", "{}", "")]
        plan.append((grade, Reply(f"```python\n{program}```"), answers))
    return [graded.correct for graded in grade_all(plan, threads=1)]


def theirs(drawn: list[tuple[str, list[Case]]]) -> list[bool | None]:
    return [all(passes(program, case) for case in cases) for program, cases in drawn]


def passes(program: str, case: Case) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "program.py")
        path.write_text(program)
        found = subprocess.run(
            [*BWRAP, "--ro-bind", folder, "/tmp/job", "--chdir", "/tmp", sys.executable, "/tmp/job/program.py"],
            input=case[0],
            capture_output=True,
            text=True,
            timeout=12,
            check=False,
        )
    return found.returncode == 0 and found.stdout == case[1]


def main() -> None:
    for name, (count, tests) in PROGRAMS.items():
        drawn = programs(count, tests)

        def same(graded: list[bool | None], run: list[bool | None], count: int = count) -> None:
            assert graded == run == [place % 10 != 9 for place in range(count)]

        def our_way(drawn: list[tuple[str, list[Case]]] = drawn) -> list[bool | None]:
            return ours(drawn)

        def their_way(drawn: list[tuple[str, list[Case]]] = drawn) -> list[bool | None]:
            return theirs(drawn)

        side_by_side(f"sandbox-{name}", our_way, their_way, same=same, measure="wall")


if __name__ == "__main__":
    main()
