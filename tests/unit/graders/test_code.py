"""Grading programs. What hostile ones do is in tests/hostile."""

import json

import pytest

from prefdelta.core.answers.code_tests import humaneval_tests, livecodebench_tests
from prefdelta.core.answers.grading import GradingError
from prefdelta.core.errors import StudyError
from prefdelta.graders import sandbox
from prefdelta.graders.code import find_code, grade
from prefdelta.graders.sandbox import Jail, Limits


def written(testtype: str, cases: list[tuple[str, str]], function: str = "") -> list[str]:
    public = [{"input": given, "output": wanted, "testtype": testtype} for given, wanted in cases]
    return [livecodebench_tests(json.dumps(public), "[]", json.dumps({"func_name": function} if function else {}), "")]


def right(program: str, answers: list[str]) -> bool:
    found = grade(f"```python\n{program}\n```", answers)
    assert found
    return found[1]


SUMS = written("stdin", [("1 2\n", "3\n"), ("2 2\n", "4.0\n")])
DOUBLES = written("functional", [("[1, 2]\n2", "[2, 4]")], "scaled")


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("print(sum(map(int, input().split())))", True),
        ("import sys\na, b = sys.stdin.read().split()\nprint(int(a) + int(b))\nexit(0)", True),
        ("if __name__ == '__main__':\n    print(Decimal(1) * eval('+'.join(input().split())))", False),  # not imported
        ("print(reduce(lambda a, b: a + b, map(int, input().split())))", True),  # LiveCodeBench imports functools
        ("import threading\nthreading.Thread(target=lambda: print(sum(map(int, input().split())))).start()", True),
        ("import atexit\natexit.register(lambda: print(sum(map(int, input().split()))))", True),
        ("output = open(1, 'w')\noutput.write(str(sum(map(int, input().split()))))", True),  # left open
        ("import sys\nsys.stdout = io.StringIO()\nprint(sum(map(int, input().split())))", False),
        ("quit(print(sum(map(int, input().split()))))", True),
        ("import numpy as np\nprint(np.array(input().split(), dtype=int).sum())", True),
        ("print(3)", False),  # the second test
        ("print(sum(map(int, input().split())))\nraise ValueError", False),
        ("print(sum(map(int, input().split()))", False),
        ("", False),
    ],
)
def test_programs_are_graded_by_their_output(program, expected):
    assert right(program, SUMS) is expected


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("class Solution:\n    def scaled(self, xs: List[int], by: int):\n        return [x * by for x in xs]", True),
        ("def scaled(xs, by):\n    return tuple(x * by for x in xs)", True),
        ("def scaled(xs, by):\n    print([2, 4])\n    return [2, 4.0]", True),
        ("def scaled(xs, by):\n    print([2, 4])", False),
        ("def scaled(xs, by):\n    return '[2, 4]'", False),
        ("def scaled(xs, by):\n    return {2, 4}", False),
        ("def scaled(xs):\n    return [2, 4]", False),
        ("def other(xs, by):\n    return [2, 4]", False),
    ],
)
def test_functions_are_graded_by_their_result(program, expected):
    assert right(program, DOUBLES) is expected


LONG = "7" * 5000


@pytest.mark.parametrize(
    ("program", "answers"),
    [
        ("print(10**int(input()))", written("stdin", [("5000\n", "1" + "0" * 5000)])),
        ("print(int(input()) + 1)", written("stdin", [(LONG, LONG[:-1] + "8")])),
        ("def f(x):\n    return x + 1", written("functional", [(LONG, LONG[:-1] + "8")], "f")),
        ("def f(x):\n    return [10**x]", written("functional", [("49999", f"[1{'0' * 49_999}]")], "f")),
        ("def f(x):\n    return 10**x", [humaneval_tests("", "def check(f):\n    assert f(5000) == 10**5000", "f")]),
        (
            "def f(x):\n    return str(x)",
            [humaneval_tests("", f"def check(f):\n    assert f({LONG}) == '{LONG}'", "f")],
        ),
    ],
    ids=["printed", "read", "argument", "result", "asserted", "asserted argument"],
)
def test_whole_numbers_may_have_50000_digits(program, answers):
    assert right(program, answers)


def test_a_longer_number_fails_the_program_or_is_an_error_of_the_test():
    assert not right("print(10**int(input()))", written("stdin", [("50000", "1" + "0" * 50_000)]))
    with pytest.raises(GradingError, match="50,001 digits; 50,000 are allowed"):
        right("def f(x):\n    return x", written("functional", [("1", "1" * 50_001)], "f"))


def test_each_test_has_a_fresh_process():
    answers = written("functional", [("1", "1"), ("1", "1")], "count")
    assert right("seen = []\ndef count(x):\n    seen.append(x)\n    return len(seen)", answers)


def test_a_long_input_and_a_long_output_pass_through():
    numbers = "\n".join(str(n) for n in range(200_000))
    assert right("import sys\nprint(sys.stdin.read())", written("stdin", [(numbers, numbers)]))
    assert not right("print(0)", written("stdin", [(numbers, numbers)]))  # it does not read its input


def test_equal_programs_have_equal_digests():
    (first, _), (second, _) = (grade(f"{words}\n```\nprint(1)\n```", SUMS) for words in ("a", "b"))  # type: ignore[misc]
    assert first == second
    assert first != grade("```\nprint(2)\n```", SUMS)[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```python\na\n```", "a\n"),
        ("```\na\n```", "a\n"),
        ("```Python3\na\n\nb\n``` \nafter", "a\n\nb\n"),
        ("```python\na\n```\nthen\n```py\nb\n```", "b\n"),
        ("```python\na\n```\nIts output:\n```text\nb\n```\nand\n```json\n{}\n```", "a\n"),
        ("````python\na = '''\n```\n'''\n````", "a = '''\n```\n'''\n"),
        ("1. so\n   ```python\n   if a:\n       b\n   ```", "if a:\n    b\n"),
        ("<think>\n```python\na\n```\n</think>\n```python\nb\n```", "b\n"),
        ("<think>\n```python\na\n```\n</think>\nI do not know.", None),
        ("<think>\n```python\na\n```\n", None),
        ("```python\na\n", None),  # not closed
        ("```python\na\n```\n```python\nb", "a\n"),
        ("`a`", None),
        ("```java\na\n```", None),
        ("", None),
    ],
)
def test_the_code_is_the_last_block_of_python_after_the_reasoning(text, code):
    assert find_code(text) == code


def test_a_trace_without_code_has_no_answer():
    assert grade("The answer is 3.", SUMS) is None


@pytest.mark.parametrize(
    "answers",
    [
        written("functional", [("not json", "1")], "f"),
        written("functional", [("1", "not json")], "f"),
        written("stdin", []),
        [livecodebench_tests("[]", "damaged", "{}", "")],
    ],
)
def test_tests_that_cannot_be_run_are_an_error_and_never_wrong(answers):
    with pytest.raises(GradingError, match="error"):
        right("def f(x):\n    return x", answers)


@pytest.mark.parametrize("answers", [[], ["42"], ["{}"], SUMS * 2])
def test_answers_that_are_no_tests_stop_the_study(answers):
    with pytest.raises(StudyError, match=r"coding problem|grader code"):
        right("", answers)


def test_a_jail_that_breaks_is_an_error_and_never_wrong():
    with Jail("import time\ntime.sleep(60)", Limits(wall_s=60)) as jail:
        jail._process.kill()
        with pytest.raises(GradingError, match="the sandbox broke"):
            jail.script("")


def test_without_bubblewrap_nothing_runs(monkeypatch, tmp_path):
    sandbox._see_bwrap.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StudyError, match="apt-get install bubblewrap"):
        right("print(3)", SUMS)


@pytest.mark.parametrize("version", ["bubblewrap 0.4.1", ""])
def test_an_old_bubblewrap_is_refused(monkeypatch, tmp_path, version):
    sandbox._see_bwrap.cache_clear()
    (tmp_path / "bwrap").write_text(f"#!/bin/sh\necho '{version}'\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StudyError, match=r"0\.8 or newer"):
        right("print(3)", SUMS)


def test_where_bubblewrap_cannot_start_nothing_runs(monkeypatch, tmp_path):
    """As where user namespaces are off."""
    for cached in (sandbox._see_bwrap, sandbox._try_out):
        cached.cache_clear()
    script = (
        "#!/bin/sh\ntest $1 = --version && echo bubblewrap 0.8.0 && exit\necho 'bwrap: No permissions' >&2\nexit 1\n"
    )
    (tmp_path / "bwrap").write_text(script)
    (tmp_path / "bwrap").chmod(0o755)
    with monkeypatch.context() as context:
        context.setenv("PATH", str(tmp_path))
        with pytest.raises(StudyError, match=r"No permissions.*user namespaces"):
            right("print(3)", SUMS)
    sandbox._see_bwrap.cache_clear()


@pytest.mark.parametrize(("machine", "kernel"), [("riscv64", "6.1.0"), ("x86_64", "4.18.0-553.el8")])
def test_where_there_can_be_no_sandbox_nothing_runs(monkeypatch, machine, kernel):
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.release", lambda: kernel)
    monkeypatch.setattr(sandbox, "_is_real_root", lambda: False)
    with pytest.raises(StudyError, match=f"{machine}|{kernel}"):
        right("print(3)", SUMS)
