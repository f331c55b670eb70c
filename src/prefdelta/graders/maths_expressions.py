"""Whether two expressions are equal. Runs in the process of `maths_process`.

latex2sympy2, math-verify's parser, reads them. Numbers are compared exactly, or to 25 of 50 digits. Expressions are
compared by their values at a few points and by simplifying their difference. A decimal of at least six digits equals a
fraction that rounds to it.
"""

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

_DIGITS = 50
_CLOSE = Fraction(1, 10**25)  # largest difference, as a share of the larger of two numbers
_SIGNIFICANT = 6  # digits from which on a decimal counts as the rational number that rounds to it
Renamed = tuple[tuple[str, str], ...]  # letters of the answer -> letters of the gold answer


def same_expressions(gold: str, answer: str, renamed: Renamed = ()) -> bool:
    """Whether two texts are expressions of the same value."""
    if _key(gold) == _key(answer):
        return True
    numbers = decimal(gold), decimal(answer)
    if numbers[0] is not None and numbers[1] is not None:
        return _same_decimals(numbers[0], numbers[1])
    plainly = same_quotients(gold, answer)
    if plainly is not None:
        return plainly
    one, other = expression(gold), expression(answer)
    if one is None or other is None:
        return False
    return _same_expression(one, other, numbers, renamed)


def _key(text: str) -> str:
    return re.sub(r"\s+(?![A-Za-z0-9])|(?<![A-Za-z0-9])\s+", "", text)


def decimal(text: str) -> Decimal | None:
    """The number that a text in plain digits is; None for other texts."""
    text = text.strip().lstrip("+")
    return Decimal(text) if len(text) < 1000 and re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)", text) else None


# Few digits: within them, what `_same_expression` finds with 50 digits is exact.
_INTEGER = "[0-9]{1,12}"
_QUOTIENT = re.compile(
    rf"(-?)(?:\\frac\{{({_INTEGER})\}}\{{({_INTEGER})\}}|({_INTEGER})/({_INTEGER})|({_INTEGER}(?:\.{_INTEGER})?))"
)


def _quotient(text: str) -> Fraction | None:
    """The number that a text is: a quotient of whole numbers, or plain digits; None for other texts."""
    match = _QUOTIENT.fullmatch(text)
    if match is None:
        return None
    sign, *parts = match.groups()
    above, below = next(((one, other) for one, other in (parts[0:2], parts[2:4]) if one), (parts[4], "1"))
    return Fraction(sign + above) / int(below) if int(below) else None


def same_quotients(gold: str, answer: str) -> bool | None:
    """Whether two quotients of whole numbers, or numbers in plain digits, are the same; None for other texts.

    It needs no parser, and gives what the comparison of their expressions would give.
    """
    one, other = _quotient(gold), _quotient(answer)
    if one is None or other is None:
        return None
    numbers = decimal(gold), decimal(answer)
    if numbers[0] is not None and numbers[1] is not None:
        return _same_decimals(numbers[0], numbers[1])
    rounded = ((exact, number) for exact, number in ((one, numbers[1]), (other, numbers[0])) if number is not None)
    return one == other or any(_rounds_to(exact, number) for exact, number in rounded)


def _places(number: Decimal) -> int:
    return max(0, -int(number.as_tuple().exponent))


def _rounds_to(exact: Fraction, number: Decimal) -> bool:
    """Whether a number in at least six significant digits is the exact one, rounded."""
    digits = len(number.as_tuple().digits)
    return (
        digits >= _SIGNIFICANT
        and _places(number) > 0
        and abs(exact - Fraction(number)) * 2 <= Fraction(1, 10 ** _places(number))
    )


def _same_decimals(gold: Decimal, answer: Decimal) -> bool:
    if gold == answer:
        return True
    coarse, fine = sorted((gold, answer), key=_places)
    return _rounds_to(Fraction(fine), coarse)


def readable(text: str) -> bool:
    return decimal(text) is not None or _quotient(text) is not None or expression(text) is not None


def is_part_of_one(text: str) -> bool:
    """Whether a text is a number between -1 and 1, and not 0."""
    parsed = expression(text)
    value = _number(parsed) if parsed is not None and getattr(parsed, "is_number", False) else None
    return value is not None and bool(value.is_real) and bool(0 < abs(value) < 1)


@lru_cache(maxsize=2048)
def expression(text: str) -> Any:
    """The expression that latex2sympy2 reads from a whole text, with plain numbers exact; None if it cannot."""
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, NormalizationConfig, latex2sympy, normalize_latex

    if len(text) > 2000 or re.search(r"(?<![_\d])\d+(?:\.\d+)?\s+\d", text):  # the parser would add the two numbers
        return None
    normal = NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=False, boxed="none", equations=False
    )
    text = re.sub(r"\\cr(?![A-Za-z])", r"\\\\", text)
    text = re.sub(r"\\%", r"\\cdot \\frac{1}{100}", text)
    text = re.sub(r"([\d.]+)\s*\\degree(?![A-Za-z])", r"(\1 \\cdot \\frac{\\pi}{180})", text)
    text = text.replace(r"\degree", r"\cdot \frac{\pi}{180}")
    if re.search(r"[\d})]\s*'", text):  # feet and minutes of arc
        return None
    text = re.sub(r"\\log\s*_\s*(?:e(?![A-Za-z])|\{\s*e\s*\})", r"\\ln ", text)
    text = re.sub(r"_\{\\([A-Za-z]+)\}", r"_{\1}", text)  # R_{\odot}
    text = re.sub(r"([A-Za-z])('+)", lambda match: f"{match[1]}_{{prime{len(match[2])}}}", text)  # x' is not x
    text = re.sub(r"\\lg(?![A-Za-z])", r"\\log_{10}", text)
    text = re.sub(r"\|\s*([^|]*?)\s*\|", r"\\left|\1\\right|", text) if text.count("|") == 2 else text
    try:
        parsed = latex2sympy(
            normalize_latex(text, normal),
            is_real=True,
            convert_degrees=False,
            normalization_config=None,
            conversion_config=ConversionConfig(lowercase_symbols=False, interpret_as_mixed_fractions=False),
        )
    except (MemoryError, RecursionError):
        raise
    except Exception:  # parsers raise anything for text that they do not know
        return None
    return _exact(parsed)


def _exact(parsed: Any) -> Any:
    import sympy

    if not isinstance(parsed, sympy.Basic | sympy.MatrixBase):
        return None
    try:
        floats = {number: sympy.Rational(str(number)) for number in parsed.atoms(sympy.Float)}
        imaginary = {symbol: sympy.I for symbol in parsed.free_symbols if symbol.name in ("i", "I")}
        return parsed.xreplace({**floats, **imaginary}) if floats or imaginary else parsed
    except (AttributeError, TypeError):
        return parsed


def _same_expression(gold: Any, answer: Any, numbers: tuple[Decimal | None, Decimal | None], renamed: Renamed) -> bool:
    import sympy

    if renamed:
        letters = {symbol.name: symbol for symbol in gold.free_symbols | answer.free_symbols}
        answer = answer.subs(
            {letters[old]: letters.get(new, sympy.Symbol(new, real=True)) for old, new in renamed if old in letters},
            simultaneous=True,
        )
    if isinstance(gold, sympy.Set) and isinstance(answer, sympy.Set):
        return bool(gold == answer or (gold - answer) | (answer - gold) == sympy.S.EmptySet)
    if isinstance(gold, sympy.MatrixBase) and isinstance(answer, sympy.MatrixBase):
        return gold.shape == answer.shape and all(
            _same_value(one, other) for one, other in zip(gold, answer, strict=True)
        )
    matrices = [side.doit() for side in (gold, answer) if isinstance(side, sympy.MatrixExpr | sympy.MatrixBase)]
    if len(matrices) == 2 and all(isinstance(side, sympy.MatrixBase) for side in matrices):
        return _same_expression(sympy.Matrix(matrices[0]), sympy.Matrix(matrices[1]), (None, None), ())
    if not isinstance(gold, sympy.Expr) or not isinstance(answer, sympy.Expr):
        return _same_relations(gold, answer)
    if numbers != (None, None):
        number = numbers[0] if numbers[0] is not None else numbers[1]
        other = answer if numbers[0] is not None else gold
        assert number is not None
        if not other.free_symbols and _may_be_rounded(other, gold_is_decimal=numbers[0] is not None):
            value = _number(other)
            if value is not None and value.is_real and _rounds_to(Fraction(str(value)), number):
                return True
    return _same_value(gold, answer)


def _may_be_rounded(exact: Any, gold_is_decimal: bool) -> bool:
    """Whether a decimal may stand for `exact`: always for a fraction, for π only if the right answer is the decimal."""
    return bool(gold_is_decimal or exact.is_rational)


def _number(expression: Any) -> Any:
    """The value of a constant to 50 digits, None if it has none. Sums and integrals are computed only if needed."""
    value = _evaluated(expression)
    return _evaluated(expression.doit()) if value is None else value


def _evaluated(expression: Any) -> Any:
    import sympy

    value = sympy.N(expression, _DIGITS)
    if not value.is_number or value.has(sympy.nan, sympy.zoo) or value.atoms(sympy.Symbol):
        return None
    real = value.as_real_imag()[0]
    return value if real.is_Float or real.is_Rational or real.is_infinite else None


def _same_value(gold: Any, answer: Any) -> bool:
    if gold == answer:
        return True
    if not gold.free_symbols and not answer.free_symbols:
        one, other = _number(gold), _number(answer)
        return one is not None and other is not None and _near(one, other) and not _differ_exactly(gold, answer, one)
    verdict = _same_at_points(gold, answer)
    if verdict is not None:
        return verdict
    return _no_difference(gold, answer)


_MOST_DIGITS = 5_000


def _differ_exactly(gold: Any, answer: Any, size: Any) -> bool:
    """Whether two rational numbers that agree in 25 digits differ in later ones."""
    import sympy

    if not (gold.is_rational and answer.is_rational) or abs(sympy.log(abs(size) + 1, 10).evalf(5)) > _MOST_DIGITS:
        return False
    one, other = gold.doit(), answer.doit()
    return bool(one.is_Rational and other.is_Rational and one != other)


def _near(one: Any, other: Any) -> bool:
    import sympy

    if one.is_infinite or other.is_infinite:
        return bool(one == other)
    size = max(abs(one), abs(other))
    return bool(size == 0 or abs(one - other) <= size * sympy.Rational(_CLOSE.numerator, _CLOSE.denominator))


_POINTS_AT = ("7/5", "-13/11", "29/7", "-31/9", "5/17", "-3/13", "101/9", "-47/8", "23/3")
_LARGE_POWER = 1_000  # powers of fractions are not computed exactly from this exponent on
_WHOLE_LETTERS = "ijkmn"
_WHOLE_AT = ("5", "8", "12", "17", "3", "33", "64", "2", "29")


def _same_at_points(gold: Any, answer: Any) -> bool | None:
    """Whether two expressions have the same values at points of both signs. None if too few have values.

    The points are whole numbers if an expression counts something (factorials, sums, powers of -1). If it rounds, they
    are whole numbers only if the letters are those of whole numbers, because each whole number is its own floor.
    """
    import sympy

    symbols = sorted(gold.free_symbols | answer.free_symbols, key=str)
    both = sympy.Tuple(gold, answer)
    if both.has(sympy.Function("f").func) or both.atoms(sympy.core.function.AppliedUndef):
        return None
    whole = both.has(sympy.factorial, sympy.binomial, sympy.Sum, sympy.Product, sympy.Mod)
    if both.has(sympy.floor, sympy.ceiling):
        whole = whole or all(symbol.name.lower() in _WHOLE_LETTERS for symbol in symbols)
    points = _WHOLE_AT if whole or _has_minus_to_a_letter(both) else _POINTS_AT
    powers = [power.exp for power in both.atoms(sympy.Pow) if power.exp.is_Integer]
    number = sympy.Integer if points is _WHOLE_AT else sympy.Rational
    if any(abs(power) > _LARGE_POWER for power in powers):

        def number(point: str) -> Any:
            return sympy.Float(sympy.Rational(point), 2 * _DIGITS)

    met = 0
    for start in range(len(points)):
        at = {symbol: number(points[(start + 2 * place) % len(points)]) for place, symbol in enumerate(symbols)}
        try:
            one, other = _number(gold.subs(at)), _number(answer.subs(at))
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            continue
        if one is None or other is None or one.is_infinite or other.is_infinite:
            continue
        if not _near(one, other):
            return False
        met += 1
    return True if met >= 4 else None


def _has_minus_to_a_letter(expressions: Any) -> bool:
    import sympy

    return any(power.base.is_negative and power.exp.free_symbols for power in expressions.atoms(sympy.Pow))


def _no_difference(gold: Any, answer: Any) -> bool:
    import sympy

    try:
        return bool(sympy.simplify(gold - answer) == 0)
    except (TypeError, ValueError, ArithmeticError, AttributeError):
        return False


def same_relation(gold: str, answer: str) -> bool:
    one, other = expression(gold), expression(answer)
    return one is not None and other is not None and _same_relations(one, other)


def _same_relations(gold: Any, answer: Any) -> bool:
    """Whether an equation is the other one times a number that is not zero, or an inequality times a positive one."""
    import sympy

    if not isinstance(gold, sympy.core.relational.Relational) or not isinstance(
        answer, sympy.core.relational.Relational
    ):
        return False
    flipped = {sympy.Gt: sympy.Lt, sympy.Lt: sympy.Gt, sympy.Ge: sympy.Le, sympy.Le: sympy.Ge}
    sides = gold.lhs - gold.rhs, answer.lhs - answer.rhs
    if any(isinstance(side, sympy.MatrixBase) or not isinstance(side, sympy.Expr) for side in sides):
        return False
    if flipped.get(type(gold)) is type(answer):
        sides = sides[0], -sides[1]
    elif type(gold) is not type(answer):
        return False
    if isinstance(gold, sympy.Eq | sympy.Ne):
        sides = sympy.fraction(sympy.together(sides[0]))[0], sympy.fraction(sympy.together(sides[1]))[0]
    if not sides[0].free_symbols or sides[0].free_symbols != sides[1].free_symbols:
        return False
    ratio = sympy.simplify(sides[0] / sides[1])
    if ratio.free_symbols or not ratio.is_number or ratio == 0 or not ratio.is_finite:
        return False
    return bool(isinstance(gold, sympy.Eq | sympy.Ne) or ratio.is_positive)
