"""Reading mathematics faster gives what reading it slowly gives."""

import json
from itertools import product
from pathlib import Path

import pytest

from prefdelta.graders import maths_expressions
from prefdelta.graders.maths_expressions import decimal, expression, same_quotients
from prefdelta.graders.maths_parser import parse_in_two_passes

UPSTREAM = json.loads((Path(__file__).parent / "math_verify_cases.json").read_text(encoding="utf-8"))


def test_two_passes_read_what_one_reads(monkeypatch):
    from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy, latex2sympy
    from sympy import srepr

    def read(text):
        try:
            return srepr(latex2sympy(text, normalization_config=None))
        except Exception as error:
            return repr(error)

    texts = sorted({case[name].strip("$") for case in UPSTREAM["cases"][::6] for name in ("gold", "prediction")})
    in_one = [read(text) for text in texts]
    create = _Latex2Sympy.create_parser
    monkeypatch.setattr(_Latex2Sympy, "create_parser", create)  # puts it back afterwards
    parse_in_two_passes()
    assert _Latex2Sympy.create_parser is not create
    assert [read(text) for text in texts] == in_one


QUOTIENTS = [
    r"\frac{1}{3}",
    r"-\frac{2}{6}",
    r"\frac{2}{6}",
    "1/3",
    "-1/3",
    "0.333333",
    "0.33333",
    "0.333334",
    "0.3333335",
]
QUOTIENTS += ["0/5", "0", "-0.0", "7", "007", "14/2", "123456789012/1", "0.1666665", "0.166667", r"\frac{1}{6}", "5/12"]


def test_quotients_are_compared_as_their_expressions():
    for gold, answer in product(QUOTIENTS, QUOTIENTS):
        numbers = decimal(gold), decimal(answer)
        if None in numbers:
            expected = maths_expressions._same_expression(expression(gold), expression(answer), numbers, ())
        else:
            expected = maths_expressions._same_decimals(*numbers)
        assert (gold, answer, same_quotients(gold, answer)) == (gold, answer, expected)


@pytest.mark.parametrize("text", ["1/0", "x", "1/2/3", "1 2", "+1", "1.", "1234567890123", r"\frac{1}{-2}", "٣", ""])
def test_other_texts_are_no_quotients(text):
    assert same_quotients(text, "1") is None
