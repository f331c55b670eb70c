"""The tests of a coding problem: how a benchmark states them, how one text holds them, when an output is right.

Conventions are LiveCodeBench's own (github.com/LiveCodeBench/LiveCodeBench): its fields as read by
`lcb_runner/benchmarks/code_generation.py`, right and wrong as in `lcb_runner/evaluation/testing_util.py`.
"""

import base64
import binascii
import json
import pickle
import pickletools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from prefdelta.core.errors import StudyError

Kind = Literal["stdin", "call", "assert"]
# Most digits of a whole number. Python allows 4,300, because the time to convert a number grows with the square of its
# digits; LiveCodeBench allows as many as here (lcb_runner/evaluation/compute_code_generation_metrics.py).
MOST_DIGITS = 50_000
_AT_ONCE = 600  # digits that are converted at once: Python's limit cannot be set lower than 640


@dataclass(frozen=True)
class Case:
    """One test. CodeTests.kind says what the two texts are."""

    input: str
    output: str


@dataclass(frozen=True)
class CodeTests:
    """All tests of one problem.

    kind:
      stdin   the program reads `input` from its standard input and has to write `output`
      call    `function` is called; each line of `input` is one argument in JSON, `output` is its result in JSON
      assert  `input` is a program of assertions that call `function`; there is one test and its `output` is empty
    setup: assert only: a program that runs before the candidate's and before the assertions (imports, helpers)
    private: more tests as LiveCodeBench publishes them; encoded, because they are huge
    """

    kind: Kind
    function: str
    setup: str
    public: tuple[Case, ...]
    private: str

    def __iter__(self) -> Iterator[Case]:
        """Every test, the public ones first."""
        yield from self.public
        if self.private:
            yield from _read_list(_decoded(self.private), "private_test_cases")


def livecodebench_tests(public: str, private: str, metadata: str, starter_code: str) -> str:
    """The tests of a LiveCodeBench item, given four of its fields, as one text. The private ones stay encoded."""
    function = _object(metadata or "{}", "metadata").get("func_name") or ""
    if not isinstance(function, str):
        raise StudyError(f"metadata: func_name is {function!r}; a name is allowed")
    if starter_code.strip() and not function:
        raise StudyError("starter_code asks for a function, but metadata names none (func_name), so none can be called")
    tests = _read_list(public, "public_test_cases", "functional" if function else "stdin")
    return _as_text(CodeTests("call" if function else "stdin", function, "", tests, private))


def humaneval_tests(prompt: str, test: str, entry_point: str) -> str:
    """The tests of an item of HumanEval (github.com/openai/human-eval) as one text."""
    return _as_text(CodeTests("assert", entry_point, prompt, (Case(f"{test}\ncheck({entry_point})\n", ""),), ""))


def read_tests(text: str) -> CodeTests:
    """The tests that one of the functions above has written."""
    fields = _object(text, "tests of a coding problem")
    try:
        tests = CodeTests(
            fields["kind"],
            fields["function"],
            fields["setup"],
            tuple(Case(test["input"], test["output"]) for test in fields["public"]),
            fields["private"],
        )
    except (KeyError, TypeError) as error:
        raise StudyError(f"tests of a coding problem: {error!r}; livecodebench_tests writes them") from None
    if tests.kind not in ("stdin", "call", "assert"):
        raise StudyError(f"tests of a coding problem: kind is {tests.kind!r}; stdin, call and assert are allowed")
    return tests


def same_output(expected: str, got: str) -> bool:
    """Whether two outputs agree line by line: as text without outer blanks, or as decimal numbers."""
    wanted, lines = expected.strip().split("\n"), got.strip().split("\n")
    return len(wanted) == len(lines) and all(map(_same_line, wanted, lines))


def same_value(expected: object, got: str) -> bool:
    """Whether `got`, a result in JSON, is `expected`. JSON has one kind of list: a tuple and a list are the same."""
    try:
        return bool(value_of(got) == expected)
    except (ValueError, RecursionError):  # not JSON, nested too deeply, or a number that is too long
        return False


def value_of(text: str) -> Any:
    """A value from JSON. Raises ValueError if the text is not JSON or holds a whole number of more than MOST_DIGITS."""
    return json.loads(text, parse_int=_whole)


def _whole(written: str) -> int:
    digits = written.removeprefix("-")
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits):,} digits; {MOST_DIGITS:,} are allowed")
    value = 0
    for start in range(0, len(digits), _AT_ONCE):  # below any limit of Python's own
        part = digits[start : start + _AT_ONCE]
        value = value * 10 ** len(part) + int(part)
    return -value if digits != written else value


def _same_line(expected: str, got: str) -> bool:
    expected, got = expected.strip(), got.strip()
    if expected == got:
        return True
    try:
        return [Decimal(part) for part in got.split()] == [Decimal(part) for part in expected.split()]
    except ArithmeticError:  # not a number; a signalling NaN
        return False


def _as_text(tests: CodeTests) -> str:
    public = [{"input": test.input, "output": test.output} for test in tests.public]
    fields = {"kind": tests.kind, "function": tests.function, "setup": tests.setup}
    return json.dumps({**fields, "public": public, "private": tests.private})


def _object(text: str, where: str) -> dict[str, Any]:
    parsed = _json(text, where)
    if not isinstance(parsed, dict):
        raise StudyError(f"{where}: {text[:80]!r} is not an object in JSON")
    return parsed


def _read_list(text: str, where: str, testtype: str | None = None) -> tuple[Case, ...]:
    parsed = _json(text, where)
    try:
        types = {test["testtype"] for test in parsed}
        tests = tuple(Case(test["input"], test["output"]) for test in parsed)
    except (KeyError, TypeError):
        raise StudyError(f"{where}: {text[:80]!r} is not a list of objects with input, output, testtype") from None
    if testtype and types - {testtype}:
        raise StudyError(f"{where}: testtype is {', '.join(sorted(types))}; by metadata's func_name it is {testtype}")
    return tests


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise StudyError(f"{where}: not JSON: {error}") from None


def _decoded(private: str) -> str:
    """Private tests as JSON. They are published as JSON, or as base64 of zlib of a pickled string."""
    if private.lstrip().startswith("["):
        return private
    try:
        return _unpickled_string(zlib.decompress(base64.b64decode(private, validate=True)))
    except (binascii.Error, zlib.error, ValueError, pickle.UnpicklingError) as error:
        raise StudyError(
            f"private_test_cases: neither a list in JSON nor base64 of zlib of a pickled string: {error}"
        ) from None


def _unpickled_string(data: bytes) -> str:
    """The string that `data` pickles. Raises UnpicklingError for anything else, such as a pickle that could run code.

    The pickle's instructions are read and never executed: only one string and its framing are allowed.
    """
    framing = {"PROTO", "FRAME", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "STOP"}
    strings = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
    values: list[str] = []
    for operation, argument, _ in pickletools.genops(data):
        if operation.name in strings:
            values.append(str(argument))
        elif operation.name not in framing:
            raise pickle.UnpicklingError(f"it holds {operation.name}; a string alone is allowed")
    if len(values) != 1:
        raise pickle.UnpicklingError(f"it holds {len(values)} strings; one is allowed")
    return values[0]
