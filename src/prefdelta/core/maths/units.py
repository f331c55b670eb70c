"""Units of measurement that answers of mathematics name, and which of them are the same."""

import re
from dataclasses import dataclass
from fractions import Fraction

# Name -> (dimensions, size in base units). Money of different countries, and degrees of different scales, are
# dimensions of their own: nothing is converted between them.
_UNITS: dict[str, tuple[dict[str, int], Fraction]] = {}


def _add(dimensions: dict[str, int], scale: Fraction | int | str, *names: str) -> None:
    for name in names:
        _UNITS[name] = (dimensions, Fraction(scale))


for _prefix, _short, _power in (
    ("", "", "1"), ("kilo", "k", "1000"), ("centi", "c", "0.01"), ("milli", "m", "0.001"), ("deci", "d", "0.1"),
):  # fmt: skip
    _add({"length": 1}, _power, f"{_prefix}meter", f"{_prefix}metre", f"{_short}m")
    _add({"mass": 1}, _power, f"{_prefix}gram", f"{_prefix}gramme", f"{_short}g")
    _add({"length": 3}, Fraction(_power) / 1000, f"{_prefix}liter", f"{_prefix}litre", f"{_short}L", f"{_short}l")
    _add({"energy": 1}, _power, f"{_prefix}joule", f"{_short}J")
    _add({"power": 1}, _power, f"{_prefix}watt", f"{_short}W")
    _add({"force": 1}, _power, f"{_prefix}newton", f"{_short}N")
    _add({"frequency": 1}, _power, f"{_prefix}hertz", f"{_short}Hz")
_add({"length": 1}, "0.0254", "inch", "in")
_add({"length": 1}, "0.3048", "foot", "feet", "ft")
_add({"length": 1}, "0.9144", "yard", "yd")
_add({"length": 1}, "1609.344", "mile", "mi")
_add({"length": 2}, 10000, "hectare", "ha")
_add({"length": 2}, "4046.8564224", "acre")
_add({"length": 3}, "0.003785411784", "gallon", "gal")
_add({"length": 3}, Fraction(1, 10**6), "cc")
_add({"time": 1}, 1, "second", "sec", "s")
_add({"time": 1}, 60, "minute", "min")
_add({"time": 1}, 3600, "hour", "hr", "h")
_add({"time": 1}, 86400, "day")
_add({"time": 1}, 7 * 86400, "week", "wk")
_add({"month": 1}, 1, "month")
_add({"month": 1}, 12, "year", "yr")
_add({"length": 1, "time": -1}, Fraction("1609.344") / 3600, "mph")
_add({"length": 1, "time": -1}, Fraction(1000, 3600), "kph", "kmph", "kmh")
_add({"mass": 1}, "453.59237", "pound", "lb")
_add({"mass": 1}, "28.349523125", "ounce", "oz")
_add({"mass": 1}, 10**6, "tonne")
_add({"ton": 1}, 1, "ton")
_add({"dollar": 1}, 1, "dollar", "usd", "buck")
_add({"dollar": 1}, "0.01", "cent")
_add({"euro": 1}, 1, "euro", "eur")
_add({"sterling": 1}, 1, "sterling", "gbp")
_add({"yen": 1}, 1, "yen", "jpy")
_add({"rupee": 1}, 1, "rupee", "rs", "inr")
_add({"yuan": 1}, 1, "yuan", "rmb", "cny")
_add({"degree": 1}, 1, "degree", "deg")
_add({"radian": 1}, 1, "radian", "rad")
_add({"degree C": 1}, 1, "celsius")
_add({"degree F": 1}, 1, "fahrenheit")
_add({"kelvin": 1}, 1, "kelvin")
_add({"unit": 1}, 1, "unit")
_add({"percent": 1}, 1, "percent", "%")
_add({"bit": 1}, 1, "bit")
_add({"bit": 1}, 8, "byte")

_PREFIX_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_SUFFIX_POWERS = {"squared": 2, "cubed": 3}
# Words that show that a text is not a unit, but a condition, an alternative or a denial.
_NO_UNIT = re.compile(
    r"\b(?:if|for|where|when|with|or|and|not|no|is|are|was|since|because|as|then|than|such|that|only|undefined|otherwise|"
    r"unless|all|any real|mod|modulo|approximately|about|times|more|less|least|most|odd|even|thousand|hundred|"
    r"million|billion|trillion|dozen|half)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Unit:
    """dimensions: (name, exponent), in the order of names. A noun that is not a unit has the prefix "noun "."""

    dimensions: tuple[tuple[str, int], ...]
    scale: Fraction


def is_unit(word: str) -> bool:
    return _find(word) is not None


def _find(word: str) -> tuple[dict[str, int], Fraction] | None:
    if word in _UNITS:
        return _UNITS[word]
    lower = word.lower()
    for name in (lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if len(name) > 1 and name in _UNITS:
            return _UNITS[name]
    return None


def unit(text: str) -> Unit | None:
    """The unit that a text names; None if it names none.

    unit = factor {factor | "per" factor | "/" factor}; factor = ["square" | "cubic"] word ["squared" | "cubed" |
    "^" whole number]. A text of words that are not units is a noun ("eggs", "different ways"); its last word counts.
    """
    text = re.sub(r"\^\s*\{\s*(-?\d)\s*\}", r"^\1", text).replace(r"\cdot", " ")
    text = re.sub(r"(?<=[A-Za-z])-(?=[A-Za-z])", " ", text)
    text = re.sub(r"\b([A-Za-z])\.\s*(?=[A-Za-z]\b|$)", r"\1", text)
    if not text.strip() or _NO_UNIT.search(text) or not re.fullmatch(r"[A-Za-z%'./^\d() -]+", text):
        return None
    tokens = re.findall(r"[A-Za-z%']+|/|\^-?\d|\d+", text)
    if any(token[0].isdigit() for token in tokens):
        return None
    return _measured(tokens) or _noun(tokens)


def _measured(tokens: list[str]) -> Unit | None:
    dimensions: dict[str, int] = {}
    scale, side, power, last = Fraction(1), 1, 1, None
    for token in tokens:
        lower = token.lower()
        if lower in ("per", "/", "an", "a"):
            side = -1 if lower != "a" and lower != "an" else side
            continue
        if lower in _PREFIX_POWERS:
            power = _PREFIX_POWERS[lower]
            continue
        if token.startswith("^") or lower in _SUFFIX_POWERS:
            if last is None:
                return None
            more = (int(token[1:]) if token.startswith("^") else _SUFFIX_POWERS[lower]) - 1
            parts, last_side = last
            _multiply(dimensions, parts[0], more * last_side)
            scale *= parts[1] ** (more * last_side)
            last = None
            continue
        if lower == "c" and "degree" in dimensions:
            dimensions = {"degree C": 1}
            continue
        if lower == "f" and "degree" in dimensions:
            dimensions = {"degree F": 1}
            continue
        entry = _find(token)
        if entry is None:
            return None
        if entry[0] == {"sterling": 1} and dimensions == {"mass": 1}:  # "pounds sterling"
            dimensions, scale = {}, Fraction(1)
        if entry[0] in ({"degree C": 1}, {"degree F": 1}):
            dimensions.pop("degree", None)
        _multiply(dimensions, entry[0], power * side)
        scale *= entry[1] ** (power * side)
        last, power = (entry, side), 1
    sorted_dimensions = tuple(sorted((name, exponent) for name, exponent in dimensions.items() if exponent))
    return Unit(sorted_dimensions, scale) if sorted_dimensions else None


def _multiply(dimensions: dict[str, int], more: dict[str, int], power: int) -> None:
    for name, exponent in more.items():
        dimensions[name] = dimensions.get(name, 0) + exponent * power


def _noun(tokens: list[str]) -> Unit | None:
    words = [token.lower() for token in tokens if token[0].isalpha()]
    if not words or len(words) > 6 or any(token.startswith("^") for token in tokens):
        return None
    return Unit(((f"noun {_stem(words[-1])}", 1),), Fraction(1))


def _stem(word: str) -> str:
    """One stem for boxes and box, for horses and horse, for people and person."""
    if word in ("people", "persons"):
        return "person"
    if word.endswith("men"):
        return word.removesuffix("men") + "man"
    if word.endswith("ies"):
        return word.removesuffix("ies") + "y"
    return word.removesuffix("s").removesuffix("e") if not word.endswith("ss") else word
