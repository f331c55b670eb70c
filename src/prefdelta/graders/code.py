"""Grader of coding problems: runs the trace's program on the problem's tests, in the sandbox only."""

import hashlib
import re
import textwrap
from collections.abc import Sequence

from prefdelta.core.answers.code_tests import Case, CodeTests, read_tests, same_output, same_value, value_of
from prefdelta.core.answers.grading import GradingError
from prefdelta.core.asking.reasoning_marks import without_thinking
from prefdelta.core.errors import StudyError
from prefdelta.graders.sandbox import Jail

_FENCE = re.compile(r"[ \t]*(?P<marks>`{3,})[ \t]*(?P<language>[^`\s]*)[^`]*")
_LANGUAGES = ("", "python", "python3", "py")


def grade(text: str, answers: Sequence[str]) -> tuple[str, bool] | None:
    """(digest of the program, whether it passes all tests), or None if the trace has no program.

    answers: one text, written by core.answers.code_tests. Equal digests mean equal programs; the text is in the trace.
    Raises GradingError if the sandbox breaks, StudyError if there is no sandbox or the tests cannot be read.
    """
    if len(answers) != 1:
        raise StudyError(f"grader code: a problem has {len(answers)} answers; one is allowed, its tests as one text")
    code = find_code(text)
    if code is None:
        return None
    return hashlib.sha256(code.encode(errors="surrogatepass")).hexdigest()[:16], _passes(code, read_tests(answers[0]))


def find_code(text: str) -> str | None:
    """The last closed block between fences after the reasoning that names Python or no language."""
    code = None
    opening: re.Match[str] | None = None
    lines: list[str] = []
    for line in (without_thinking(text) or "").splitlines():
        fence = _FENCE.fullmatch(line)
        if opening is None:
            opening, lines = fence, []
        elif fence and not fence["language"] and len(fence["marks"]) >= len(opening["marks"]):
            if opening["language"].lower() in _LANGUAGES:
                code = textwrap.dedent("\n".join(lines)) + "\n"  # a block in a list is indented
            opening = None
        else:
            lines.append(line)
    return code


def _passes(code: str, tests: CodeTests) -> bool:
    """Whether the program passes all tests. Stops at the first failed test, as LiveCodeBench does."""
    try:
        cases = list(tests)
    except StudyError as error:
        raise GradingError("error", str(error)) from None
    if not cases:  # no test can fail
        raise GradingError("error", "the problem has no tests")
    with Jail(code) as jail:
        if tests.kind == "assert":
            return all(jail.check(tests.setup, tests.function, case.input) for case in cases)
        if tests.kind == "call":
            return all(_right_value(jail, tests.function, case) for case in cases)
        return all(_right_output(jail, case) for case in cases)


def _right_output(jail: Jail, case: Case) -> bool:
    run = jail.script(case.input)
    return run.well and same_output(case.output, run.output.decode(errors="replace"))


def _right_value(jail: Jail, function: str, case: Case) -> bool:
    try:
        arguments = case.input.split("\n")
        for argument in arguments:
            value_of(argument)
        expected = value_of(case.output)
    except ValueError as error:
        raise GradingError("error", f"a test cannot be read as JSON: {error}") from None
    run = jail.call(function, arguments)
    return run.well and same_value(expected, run.output.decode(errors="replace"))
