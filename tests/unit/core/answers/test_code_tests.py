import base64
import json
import os
import pickle
import time
import zlib

import pytest

from prefdelta.core.answers.code_tests import (
    Case,
    humaneval_tests,
    livecodebench_tests,
    read_tests,
    same_output,
    same_value,
)
from prefdelta.core.errors import StudyError

PUBLIC = [{"input": "1\n", "output": "2\n", "testtype": "stdin"}]
PRIVATE = [{"input": "é\n", "output": "\U0001f600", "testtype": "stdin"}]


def encoded(value: object, protocol: int = 4) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value, protocol))).decode()


def cases(public=PUBLIC, private="[]", metadata="{}", starter_code=""):
    return list(read_tests(livecodebench_tests(json.dumps(public), private, metadata, starter_code)))


@pytest.mark.parametrize("protocol", range(6))
def test_private_tests_are_read_from_their_pickle(protocol):
    found = cases(private=encoded(json.dumps(PRIVATE, ensure_ascii=False), protocol))
    assert found == [Case("1\n", "2\n"), Case("é\n", "\U0001f600")]


def test_private_tests_may_be_plain_json():
    assert cases(private=json.dumps(PRIVATE)) == [Case("1\n", "2\n"), Case("é\n", "\U0001f600")]


def test_private_tests_stay_encoded_until_they_are_read():
    private = encoded(json.dumps(PRIVATE * 1000))
    text = livecodebench_tests(json.dumps(PUBLIC), private, "{}", "")
    assert len(text) < len(private) + 500


class RunsCode:
    def __reduce__(self):
        return os.system, ("touch /tmp/was-here",)


@pytest.mark.parametrize(
    "value",
    [RunsCode(), os.system, [json.dumps(PRIVATE)], {"a": 1}, b"[]", 1, None, ("[]", "[]"), "not json"],
    ids=lambda value: type(value).__name__,
)
def test_a_pickle_of_anything_but_a_json_text_is_refused(value):
    with pytest.raises(StudyError, match="private_test_cases"):
        cases(private=encoded(value))


def test_a_pickled_text_that_is_followed_by_a_call_is_refused():
    harmless = pickle.dumps("[]", 0)[:-1]
    calling = base64.b64encode(zlib.compress(harmless + b"cos\nsystem\n(S'true'\ntR.")).decode()
    with pytest.raises(StudyError, match="GLOBAL"):
        cases(private=calling)


@pytest.mark.parametrize("private", ["", "!", "W10=", encoded("[]")[:-8]])
def test_private_tests_of_no_known_form_are_refused(private):
    if private:
        with pytest.raises(StudyError, match="private_test_cases"):
            cases(private=private)
    else:
        assert cases(private=private) == [Case("1\n", "2\n")]


def test_a_function_is_named_by_the_metadata():
    public = [{"input": "[1]\n2", "output": "3", "testtype": "functional"}]
    metadata, starter = '{"func_name": "add"}', "class Solution:\n    def add(self, a, b):\n"
    tests = read_tests(livecodebench_tests(json.dumps(public), "[]", metadata, starter))
    assert (tests.kind, tests.function, list(tests)) == ("call", "add", [Case("[1]\n2", "3")])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"metadata": "[]"}, "metadata"),
        ({"metadata": "{"}, "metadata"),
        ({"metadata": '{"func_name": 3}'}, "func_name"),
        ({"metadata": '{"func_name": "f"}'}, "testtype"),  # the tests are for a program
        ({"starter_code": "class Solution: ..."}, "starter_code"),
        ({"public": {"input": ""}}, "public_test_cases"),
        ({"public": [{"input": "1"}]}, "public_test_cases"),
    ],
)
def test_fields_that_contradict_each_other_or_their_format_are_refused(changes, field):
    with pytest.raises(StudyError, match=field):
        cases(**changes)


def test_humaneval_tests_are_one_program_of_assertions():
    tests = read_tests(humaneval_tests("import math\n", "def check(candidate):\n    pass\n", "f"))
    assert (tests.kind, tests.function, tests.setup) == ("assert", "f", "import math\n")
    (case,) = tests
    assert case.input.endswith("check(f)\n")


@pytest.mark.parametrize(
    "text", ["{}", "42", "", '{"kind": "other", "function": "", "setup": "", "public": [], "private": ""}']
)
def test_a_text_that_is_not_tests_is_refused(text):
    with pytest.raises(StudyError, match="tests of a coding problem"):
        read_tests(text)


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("YES\n", "YES", True),
        ("1 2\n3\n", "  1 2  \n3\n\n", True),
        ("1.0 2", "1 2.00", True),
        ("1e3", "1000", True),
        ("1 2", "1  2", True),  # numbers
        ("a b", "a  b", False),  # not numbers
        ("1\n2", "1 2", False),
        ("yes", "YES", False),
        ("0.1", "0.1000000001", False),
        ("50000000000000000", "50000000000000001", False),
        ("1 x", "1.0 x", False),
        ("nan", "NaN", False),
        ("1", "sNaN", False),
        ("", "", True),
        ("1", "", False),
        ("1" * 5000, "1" * 5000 + ".0", True),
        ("1" * 5000, "1" * 4999 + "2", False),
        ("0.333333333333", "0.333333", False),  # no tolerance
    ],
)
def test_outputs_agree_as_livecodebench_has_it(expected, got, same):
    assert same_output(expected, got) is same


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ([1, 2], "[1, 2]", True),
        (2, "2.0", True),
        ("2", "2", False),
        ([1], "[[1]]", False),
    ],
)
def test_results_agree_as_data(expected, got, same):
    assert same_value(expected, got) is same


def test_whole_numbers_of_50000_digits_are_compared_exactly():
    least = [-(10**49_999)]
    assert same_value(least, "[-1" + "0" * 49_999 + "]")
    assert not same_value(10**49_999, "1" + "0" * 49_998 + "1")
    assert not same_value(10**50_000, "1" + "0" * 50_000)  # too long
    began = time.process_time()
    same_value([], json.dumps(["x"])[:-1] + f", {'7' * 50_000}" * 160 + "]")  # as much as a program may write
    assert time.process_time() - began < 10


def test_a_result_that_cannot_be_read_is_not_equal():
    assert not same_value([], "[" * 100_000 + "]" * 100_000)
    assert not same_value(1, "1" * 10_000)
