"""Numbers with a unit or a base, and times of the day."""

import re

from prefdelta.core.maths.forms import Based, Leaf, Quantity, Time
from prefdelta.core.maths.units import Unit, is_unit, unit
from prefdelta.core.maths.words import NUMBER_WORDS


def based(text: str) -> Based | None:
    """Digits in a base that is written behind them: 17_8."""
    match = re.fullmatch(
        r"\(?\s*((?:[0-9]|\\text\{\s*[A-F]\s*\}|[A-F])+)\s*\)?\s*_\s*(?:\{\s*(?:\\text\{\s*)?(\w+)\s*\}?\s*\}|(\d))",
        text,
    )
    if match is None:
        return None
    base = match[2] or match[3]
    number = NUMBER_WORDS.index(base) if base in NUMBER_WORDS else int(base) if base.isdigit() else 0
    digits = re.sub(r"\\text|[\s{}]", "", match[1]).lstrip("0") or "0"
    if not 2 <= number <= 36 or any(int(digit, 36) >= number for digit in digits):  # C_2 is a constant
        return None
    return Based(text, digits, number)


def time_of_day(text: str) -> Time | None:
    """2:30, 2:30:15, 2:30 p.m."""
    match = re.fullmatch(
        r"(\d{1,2})\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?\s*(?:\\text\{)?\s*([apAP])?\.?\s*([mM])?\.?\s*\}?", text
    )
    if match is None or bool(match[4]) != bool(match[5]) or int(match[2]) > 59:
        return None
    return Time(text, int(match[1]), int(match[2]), int(match[3] or 0), (match[4] or "").lower())


_VALUE_ENDS = r"[\d})\]|]|\\(?:pi|infty)(?![A-Za-z])"
_TEXT_UNIT = re.compile(r"(.*?)\s*\\text\{([^{}]*)\}\s*(\^\s*(?:\{\s*-?\d\s*\}|-?\d))?\s*", re.DOTALL)
_PLAIN_UNIT = re.compile(
    rf"(.*?(?:{_VALUE_ENDS}))(\s*)((?:[A-Za-z]+\.?(?:\s*\^\s*(?:\{{\d\}}|\d))?)(?:[\s/\-]+[A-Za-z]+\.?(?:\s*\^\s*(?:\{{\d\}}|\d))?)*)",
    re.DOTALL,
)
_FUNCTION_OF_ANGLE = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
PERCENT, DEGREE = unit("percent"), unit("degree")


def is_marked(text: str) -> bool:
    """Whether a text ends in its only percent sign or its only degree sign."""
    return _sign_of(text) is not None


def _sign_of(text: str) -> tuple[str, Unit] | None:
    for sign, sign_unit in ((r"\%", PERCENT), (r"\degree", DEGREE)):
        if text.endswith(sign) and sign_unit is not None and text.count(sign) == 1:
            return sign, sign_unit
    return None


def marked_quantity(text: str) -> Quantity | None:
    """A percentage or an angle; None for a text without a value or a function of an angle: cos 40° is a number."""
    sign = _sign_of(text)
    if sign is None:
        return None
    value = text.removesuffix(sign[0]).strip()
    return Quantity(text, Leaf(value), sign[1]) if value and not _FUNCTION_OF_ANGLE.search(value) else None


def value_and_unit(text: str) -> tuple[str, Unit] | None:
    """The two parts of a quantity; None if a text is not one."""
    if match := _TEXT_UNIT.fullmatch(text):
        value, text_unit = match[1].strip(), unit(match[2] + (match[3] or ""))
        return (re.sub(r"\s*-$", "", value), text_unit) if value and r"\text" not in value and text_unit else None
    match = _PLAIN_UNIT.fullmatch(text)
    if match is None or "_" in match[3]:
        return None
    words, spaced = re.split(r"[\s/\-]+", re.sub(r"\^\s*\{?\d\}?", "", match[3]).strip()), bool(match[2])
    if not all(_is_unit_word(word.rstrip("."), spaced) for word in words):
        return None
    plain_unit = unit(match[3])
    return None if plain_unit is None else (match[1], plain_unit)


_PLAIN_ONES = {"m", "s", "g", "h", "L", "N", "J", "W"}  # letters that are units if a space stands before them


def _is_unit_word(word: str, spaced: bool) -> bool:
    """Whether a word can be a unit, or a noun in place of one.

    A letter without a space before it is a variable. A noun has at least four letters.
    """
    if len(word) == 1:
        return spaced and word in _PLAIN_ONES
    if is_unit(word) or word.lower() in ("per", "square", "sq", "cubic", "cu", "squared", "cubed"):
        return spaced or word.lower() not in ("in", "min", "ha", "rs", "ms")
    return spaced and len(word) > 3 and word.isalpha() and bool(re.search(r"[aeiouy]", word.lower()))
