r"""Numbers in plain digits, as models write them: `-1,234.5`, `7 × 10^-24 J`, `6.02\times10^{23}`, `10⁻³`, `12.5 %`.

A whole number is returned as an exact int, however large, so it is compared exactly. Every function takes time about
proportional to the text, and numbers of more than `LARGEST_EXPONENT` digits are not written out.
"""

import math
import re
from collections.abc import Sequence
from decimal import Decimal

LARGEST_EXPONENT = 4_300  # digits of a whole number; larger numbers are infinite here, smaller ones 0
TOLERANCE = 0.04  # of the right answer
_LONGEST_UNIT = 100  # characters

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SIGNS = str.maketrans(
    {"\u2212": "-", "\ufe63": "-", "\uff0d": "-", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u00b5": "μ"}
)
_SPACE = re.compile(r"\\[,;:! ]|~|[\u00a0\u2002-\u200a\u202f]")
_THOUSANDS = re.compile(r"(?<=\d)(?:\\[,!]|\{,\}|,|[\u2009\u202f\u00a0])(?=\d{3}(?!\d))")
_POWER = r"\s*(?:\^|\*\*)\s*(?:\{\s*([-+]?\d+)\s*\}|\(\s*([-+]?\d+)\s*\)|([-+]?\d+))"
_TIMES = r"(?:×|⋅|·|∙|\*|[xX]|\\times|\\cdot)"
_DIGITS = r"(?:\d+\.?\d*|\.\d+)"
# Groups of a power of ten alone: 1 the sign, 2 to 4 the exponent. Of other numbers: 5 the digits, 6 the exponent behind
# "e", 7 to 9 the exponent behind "times 10", 10 that exponent in a text that has lost the superscript ("3 × 10-8").
_NUMBER = (
    rf"(?:([-+]?)\s?10{_POWER}"
    rf"|([-+]?\s?{_DIGITS})(?:\s?[eE]([-+]?\d+)|\s*{_TIMES}\s*10(?!\d)(?:{_POWER}|(-\d+)))?)"
)
_DOTS = re.compile(r"(?<=\d)(?:\.{2,}|…|\\[lc]?dots)")
_DRESS = re.compile(
    r"^(?:\\(?:mathbf|mathrm|boldsymbol|text|textbf)\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}|\(([^(),]*)\))$"
)
_GROUPS_OF_THREE = re.compile(r"(?<![\d.] )(?<![\d.])\d{1,3}(?: \d{3})+(?![\d/])")
_START = (
    r"(?:(?:approximately|approx\.?|about|around|roughly|nearly|exactly)\s+|[≈~]\s*)?(?:[£€¥]|(?:USD|EUR|GBP)\s)?\s*"
)
_NO_UNIT = (
    r"(?:pi|e|i|x|sqrt|sin|cos|tan|log|ln|exp|times|over|plus|minus|divided|mod|modulo|to|or|and|if|squared|cubed|choose|"
    r"factorial|half)\b"
)
_GLUED = (
    r"(?:[numkcMGTP]?(?:m|s|g|N|J|W|V|A|Hz|Pa|eV|mol|L|l|C|F|T|H|Wb|bits?|B|bytes?|cal|bar)|min|hr?|rad|deg|K|dB|ft|in|lb|"
    r"years?|Ω|ohms?)(?![A-Za-z])"
)
_UNIT = (
    rf"\s*(?:°|\^\s*\{{?\\circ|[€£¥Ωμ]|\\(?:text|mathrm|rm|Omega|mu|deg|degree)(?![a-z])).*|\s*{_GLUED}.*"
    rf"|\s+(?!{_NO_UNIT})[A-Za-zΩμ].*|\s*\((?:[A-Za-z]{{2}}|{_GLUED}|[^()]*\b(?:or|i\.e)\b).*"
)
_WHOLE = re.compile(rf"{_START}(?:{_NUMBER})\s*(?:(%)(?:\s*[A-Za-z(,;].*)?|{_UNIT})?", re.DOTALL)
_MIXED = re.compile(rf"{_START}([-+]?)(\d{{1,9}})\s+(\d{{1,9}})/(\d{{1,9}})(?:{_UNIT})?", re.DOTALL)
# A number anywhere. The first alternatives are not numbers: digits of names such as H2O, exponents of units.
_ANYWHERE = re.compile(rf"[A-Za-z_]\{{?\d+(?:\.\d+)?|(?:\^|\*\*)\s*[{{(]?\s*[-+]?\d+|{_NUMBER}")
# Applied in this order.
_IN_LATEX = [
    (re.compile(r"[×⋅∙·]"), r" \\times "),
    (re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*(?:\^|\*\*))"), r" \\times "),
    (re.compile(r"√\s*(\d+)"), r"\\sqrt{\1}"),
    (re.compile(r"(?:√|(?<![\\A-Za-z])sqrt)\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\\A-Za-z])(pi|exp|ln|sin|cos|tan)(?![A-Za-z])"), r"\\\1 "),
    (re.compile(r"(?:\^|\*\*)\s*\(?([-+]?\d+(?:\.\d+)?)\)?"), r"^{\1}"),
    (re.compile(rf"(?<=[\d}})π])\s+{_GLUED}[^=]*$"), ""),
]


def number(text: str) -> float | None:
    """The value of a text that is one number, with or without a unit; "%" divides it by 100. None for other texts."""
    text = _GROUPS_OF_THREE.sub(lambda match: match[0].replace(" ", ""), _tidied(text))
    if mixed := _MIXED.fullmatch(text):
        whole, above, below = map(int, mixed.groups()[1:4])
        return None if below == 0 else (-1 if mixed[1] == "-" else 1) * (whole + above / below)
    match = _WHOLE.fullmatch(text)
    if not match or len(text) - match.end(_last_group(match)) > _LONGEST_UNIT:
        return None
    return _value(match, percent=match[match.re.groups] is not None)


def last_number(text: str) -> float | None:
    """The last number anywhere in a text; exponents of units and digits in names do not count."""
    text = _tidied(text)
    places = [match for match in _ANYWHERE.finditer(text) if match[1] is not None or match[5]]
    return _value(places[-1], text[places[-1].end() :].lstrip().startswith("%")) if places else None


def as_latex(text: str) -> str:
    r"""A text with powers, roots and products in LaTeX: `2 × 3^-4` as `2 \times 3^{-4}`; without a unit."""
    text = raised(text.translate(_SIGNS))
    for pattern, latex in _IN_LATEX:
        text = pattern.sub(latex, text)
    return text


def _tidied(text: str) -> str:
    text = _THOUSANDS.sub("", raised(text.translate(_SIGNS)))
    text = re.sub(r"^(\W*)\u2013(?=\s?[\d.])", r"\1-", text)  # a dash before the number
    text = re.sub(r"\\[()\[\]]|\$", "", _SPACE.sub(" ", text).replace(r"\%", "%"))
    text = _DOTS.sub("", re.sub(r"\bper\s?cent\b", "%", text)).strip().rstrip(",;:")
    return _DRESS.sub(r"\1\2", text)


def raised(text: str) -> str:
    """Superscripts as powers: 10⁻³ as 10^{-3}."""
    return re.sub(r"(?:[⁻⁺]|(?<=\d)-)?[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda match: f"^{{{match[0].translate(_SUPERSCRIPTS)}}}", text)


def _last_group(match: re.Match[str]) -> int:
    return max(group for group in range(1, match.re.groups + 1) if match[group] is not None)


def _value(match: re.Match[str], percent: bool = False) -> float:
    sign, *of_ten, digits, behind_e = match.groups()[:6]
    exponent = next((power for power in (*of_ten, behind_e, *match.groups()[6:10]) if power), "0")
    return _exact(digits.replace(" ", "") if digits else f"{sign}1", exponent, percent)


def _exact(digits: str, exponent: str, percent: bool) -> float:
    """The number digits x 10^exponent: an int if it is whole, else the nearest float."""
    sign, places, shift = Decimal(digits).as_tuple()
    assert isinstance(shift, int)
    # With an exponent of more digits the result is infinity or 0 in any case. Percent is two places.
    power = shift + int(exponent[:10]) - (2 if percent else 0)
    value = Decimal((sign, places, power))
    if not any(places):
        return 0
    if value.adjusted() >= LARGEST_EXPONENT:
        return -math.inf if sign else math.inf
    if value.adjusted() < -LARGEST_EXPONENT:
        return 0.0
    whole = value.adjusted() >= 0 and (power >= 0 or value == value.to_integral_value())
    return int(value) if whole else float(value)


def close(answer: float | None, right: float) -> bool:
    """Whether a number counts as `right` by TheoremQA's own rule; an infinite number never does.

    TIGER-AI-Lab/TheoremQA, utils.py (compare_two_numbers, within_eps): a whole right answer must be met after
    rounding, any other within 4 % of itself.
    """
    if answer is None or not (isinstance(answer, int) or math.isfinite(answer)):
        return False
    if isinstance(right, int):
        return round(answer) == right
    margin = TOLERANCE * abs(right)
    return right - margin <= answer <= right + margin


def lists_close(answer: Sequence[float | None], right: Sequence[float]) -> bool:
    """Whether two lists have equally many numbers, each `close` once both are sorted (upstream: compare_two_list)."""
    known = [item for item in answer if item is not None]
    if len(known) != len(answer) or len(known) != len(right):
        return False
    return all(map(close, sorted(known), sorted(right)))
