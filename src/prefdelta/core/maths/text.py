r"""One spelling of LaTeX in place of the many in which data sets and models write the same answer.

`canonical` is the composition of small functions, each with its grammar. D stands for a digit, N for a number. Text
that no function knows stays as it is. Each function takes time about proportional to the text.
"""

import re
from fractions import Fraction
from functools import lru_cache

from prefdelta.core.maths.plain_numbers import raised

_SIGNS = {
    "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "°": r"\degree ", "º": r"\degree ",
    "π": r"\pi ", "θ": r"\theta ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "±": r"\pm ", "∠": r"\angle ", "½": r"\frac{1}{2}",
    "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "%": r"\%", "€": r"\text{euros}",
    "£": r"\text{pounds sterling}", "¥": r"\text{yen}", "¢": r"\text{cents}", "₹": r"\text{rupees}",
    "\u00a0": " ", "\u2009": r"\,", "\u202f": r"\,", "\u2006": r"\,", "√": r"\sqrt ", "′": "'", "’": "'",
}  # fmt: skip
_SYNONYMS = {
    "leqslant": "le", "leqq": "le", "leq": "le", "geqslant": "ge", "geqq": "ge", "geq": "ge", "lt": "<", "gt": ">",
    "neq": "ne", "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "varnothing": "emptyset", "lbrace": r"\{",
    "rbrace": r"\}", "lbrack": "[", "rbrack": "]", "land": " and ", "lor": " or ", "colon": ":", "mid": "|",
    "vert": "|", "lvert": "|", "rvert": "|", "simeq": "approx", "thickapprox": "approx", "ldots": "dots",
    "cdots": "dots", "dotsc": "dots", "div": "/", "dbinom": "binom", "tbinom": "binom", "varphi": "phi",
    "varepsilon": "epsilon", "infin": "infty",
    "backslash": "setminus", "star": "*", "ast": "*", "degree": "degree", "bmod": "bmod",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
_NO_MARKS = re.compile(
    r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits|nolimits|boldmath|phantom|nonumber|notag)"
    r"(?![A-Za-z])\.?"
)
_WRAPPER = r"\\(?:text(?:bf|it|rm|normal|sf|tt|up)?|mbox|hbox|math(?:rm|bf|it|sf|tt|normal)|operatorname|boldsymbol|bm)"
_WRAPPED = re.compile(_WRAPPER + r"\*?\s*\{([^{}]*)\}")
_SPACING = re.compile(r"\\(?:[,;:> ]|q?quad|(?:thin|med|thick)space(?![A-Za-z])|[hv]space\*?\{[^{}]*\})|~")
_FOR_ALL = re.compile(
    r",?\s*(?:\\forall|\\text\{\s*for (?:all|any|every|each)[^{}]*\})\s*[A-Za-z](?:\s*,\s*[A-Za-z])*"
    r"(?:\s*\\in\s*\\(?:mathbb|mathbf)\{[A-Z]\}\S*)?\s*$"
)
_DIGITS = r"\d+(?:\.\d+)?"
_AMOUNT = r"([-+]?(?:\d[\d,]*)?\.?\d+(?:\s*\\times 10\^\{-?\d+\})?)"
_CONNECTED = re.compile(r"\s*,?\s*\b(and|or)\b\s*,?\s*")


@lru_cache(maxsize=1024)  # one right answer meets many answers
def canonical(text: str) -> str:
    """A model's final answer or a right answer, in the one spelling that `reading` reads."""
    text = with_one_name_each(with_ascii_signs(unmarked(with_row_ends(text))))
    text = without_thin_spaces_in_numbers(text)
    text = with_one_text_command(text)
    text = with_powers_of_thousand(text)
    text = with_units_behind(text)
    text = re.sub(r"\\%|\\text\{\s*(?:percent(?:age)?|pct)\.?\s*\}|\s\bpercent(?:age)?\b|\s\bpct\b", r"\\% ", text)
    text = with_degrees(text)
    text = with_braces(text)
    text = re.sub(r"\{([^{}]+)\\choose(?![A-Za-z])([^{}]+)\}", r"\\binom{\1}{\2}", text)
    text = re.sub(r"(\\mathbb\{R\})\s*-\s*(?=\\\{)", r"\1 \\setminus ", text)
    text = with_products(text)
    text = with_repeating_decimals(text)
    text = with_mixed_numbers(text)
    text = _FOR_ALL.sub("", text)
    text = re.sub(r"\\pmod\s*\{\s*(\w+)\s*\}|\(\s*(?:\\bmod|\\text\{\s*mod\s*\})\s*(\w+)\s*\)", r"\\pmod \1\2", text)
    text = re.sub(r"^\s*\\text\{[^{}]*(?::|=|\bis)\s*\}(?=\s*\S)", "", text)  # "The answer is"
    text = re.sub(r"^\s*(?:\\approx(?![A-Za-z])|\\text\{\s*(?:approximately|approx\.?|about)\s*\})", "", text)
    return re.sub(r"\s+", " ", text).strip().removesuffix(".").strip()


def with_row_ends(text: str) -> str:
    r"""`\\\\`, the end of a matrix's row, as \cr. Outside of a matrix, before a letter, it is read as one backslash."""
    if r"\begin" not in text:
        text = re.sub(r"\\\\(?=[A-Za-z])", r"\\", text)
    return re.sub(r"\\\\(?:\[[^\[\]]*\])?", r"\\cr ", text)


def unmarked(text: str) -> str:
    r"""A text without the marks of mathematics (`$`, `\(`, `\[`), and without `\left` and its like; `\$` stays."""
    text = re.sub(r"\\[()\[\]]|(?<!\\)\$|\\(?:begin|end)\{(?:align|equation|gather)\*?\}", " ", text)
    return _NO_MARKS.sub(" ", text)


def with_ascii_signs(text: str) -> str:
    """Signs of Unicode as the commands they stand for; `%` as LaTeX writes it."""
    text = text.replace(r"\%", "%").replace(r"\pounds", "£").replace(r"\euro", "€")
    return raised("".join(_SIGNS.get(sign, sign) for sign in text))


def with_one_name_each(text: str) -> str:
    r"""Commands of one meaning as one of them: `\leqslant` as `\le`, `\dfrac` as `\frac`."""

    def synonym(match: re.Match[str]) -> str:
        name = _SYNONYMS.get(match[1])
        if name is None:
            return match[0]
        return f"\\{name} " if name.isalpha() else name

    text = re.sub(r"\s*(?:<=|=<)\s*", r" \\le ", re.sub(r"\s*>=\s*", r" \\ge ", re.sub(r"(?<=\s)!=", r"\\ne ", text)))
    text = _COMMAND.sub(synonym, text)
    return re.sub(r"\\infinity|(?<![\\A-Za-z])(?:infinity|inf)(?![A-Za-z])", r"\\infty ", text)


def without_thin_spaces_in_numbers(text: str) -> str:
    r"""DDD{,}DDD and DDD,\!DDD and DDD\,DDD and DDD DDD as DDDDDD; other commands for spaces as a space.

    The first group has one to three digits and is not part of a fraction; all other groups have three digits.
    `10,080` keeps its comma, because it may be a list (see `forms`).
    """
    mark = r"(?:\{,\}|\\text\{,\}|,?\\!\s*|,\\!\s*|\\[,;: ]\s*|~| )"
    text = re.sub(r",\\!\s*", "{,}", text)
    pattern = re.compile(rf"(?<![\d.,}}])(\d{{1,3}}(?:{mark}\d{{3}})+)(?![\d/]|,\d|\s*\\frac)")
    text = pattern.sub(lambda match: re.sub(r"\D", "", match[1]), text)
    decimals = re.compile(rf"(?<=\d)\.(\d{{3}}(?:{mark}\d{{3}})*{mark}\d{{1,3}})(?!\d)")
    text = decimals.sub(lambda match: "." + re.sub(r"\D", "", match[1]), text)
    text = re.sub(r"\{\s*([,:.])\s*\}", r"\1", text)
    return _SPACING.sub(" ", text).replace(r"\!", "")


def with_one_text_command(text: str) -> str:
    r"""Words as \text{words}; single letters, numbers, and the words "and" and "or", without it."""
    for _ in range(3):  # \textbf{\text{A}}
        text, count = _WRAPPED.subn(_plain_or_text, text)
        if not count:
            break
    text = text.replace("\x00", r"\text{").replace("\x01", "}")
    text = re.sub(r"\\text\{([^{}]*)\}\s*\\text\{([^{}]*)\}", r"\\text{\1 \2}", text)
    return re.sub(r"\\frac\s*\{\s*\\text\{([^{}]*)\}\s*\}\s*\{\s*\\text\{([^{}]*)\}\s*\}", r"\\text{\1/\2}", text)


def _plain_or_text(match: re.Match[str]) -> str:
    inner = match[1]
    words = inner.strip()
    if connected := _CONNECTED.fullmatch(words):
        return f" {connected[1]} "
    if re.fullmatch(r"\\[A-Za-z]+", words) or not re.search(r"[A-Za-z]", words):
        return inner
    if re.fullmatch(r"[A-Za-z]'?", words) and not match[0].startswith(r"\text"):
        return inner
    if begins := re.match(r"\s*([-+]?[\d.,]*\d)(?=\s|$)", inner):
        return f"{begins[1]}\x00{inner[begins.end() :]}\x01"
    return f"\x00{inner}\x01"


def with_units_behind(text: str) -> str:
    r"""\$N as N\text{dollars}: a sign of currency stands before its number, a unit behind it."""
    text = re.sub(r"\\text\{(euros|pounds sterling|yen|rupees)\}\s*" + _AMOUNT, r"\2\\text{\1}", text)
    text = re.sub(r"\\\$\s*" + _AMOUNT, r"\1\\text{dollars}", text)
    return re.sub(r"(\d)\s*\\\$", r"\1\\text{dollars}", text).replace(r"\$", "")


def with_degrees(text: str) -> str:
    r"""^\circ, ^{\circ} and \text{°} as \degree; with C or F behind it as the unit of a temperature."""
    text = re.sub(r"\{\}\s*(?=\^)", "", text)
    text = re.sub(r"\^\s*(?:\{\s*\\(?:circ|degree)\s*\}|\\(?:circ|degree)(?![A-Za-z]))|\\degree(?![A-Za-z])",
                  r"\\degree ", text)  # fmt: skip
    return re.sub(r"\\degree\s*(?:\\text\{\s*)?([CF])\b(?:\s*\})?", r"\\text{degrees \1}", text)


def closing(text: str, opening: int) -> int:
    """The place where a bracket of the same kind closes the one at `opening`; the text's length if there is none."""
    one, other = text[opening], {"{": "}", "(": ")", "[": "]"}[text[opening]]
    depth, place = 0, opening
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        depth += (text[place] == one) - (text[place] == other)
        if depth == 0:
            return place
        place += 1
    return len(text)


_HAS_ARGUMENTS = re.compile(r"\\frac(?![A-Za-z])|\\sqrt(?![A-Za-z])|\^")
_NESTING = 40  # levels of braces; no answer has more


def with_braces(text: str, depth: int = 0) -> str:
    r"""Arguments in braces: \frac12 as \frac{1}{2}, \sqrt2 as \sqrt{2}, x^-1 as x^{-1}, x^(a) as x^{a}, x**2 as x^{2}.

    An argument is {…}, one digit, a letter, or a command with its arguments; a power may also be a signed number of
    several digits, a signed argument, or (…).
    """
    if depth > _NESTING:
        return text
    if depth == 0:
        text = re.sub(r"(?<!\\)\bsqrt\s*(?=[({\d])", r"\\sqrt", text.replace("**", "^"))
    parts, place = [], 0
    while match := _HAS_ARGUMENTS.search(text, place):
        parts.append(text[place : match.end()])
        place = match.end()
        if match[0] == "^":
            raised, place = _power(text, place, depth)
            parts.append(raised)
            continue
        if match[0] == r"\sqrt" and (root := re.compile(r"\s*(\[[^\[\]]*\])").match(text, place)):
            parts.append(root[1])
            place = root.end()
        for _ in range(2 if match[0] == r"\frac" else 1):
            argument, place = _argument(text, place, depth, in_parentheses=match[0] == r"\sqrt")
            parts.append(argument)
    return "".join(parts) + text[place:]


def _argument(text: str, place: int, depth: int, in_parentheses: bool = False) -> tuple[str, int]:
    """(the argument that begins at `place`, in braces; where it ends); ("", place) if there is none."""
    start = place
    while start < len(text) and text[start] == " ":
        start += 1
    if start >= len(text) or depth > _NESTING:
        return "", place
    if text[start] == "{" or (in_parentheses and text[start] == "("):
        end = closing(text, start)
        return "{" + with_braces(text[start + 1 : end], depth + 1) + "}", min(end + 1, len(text))
    if text[start].isalnum():
        return "{" + text[start] + "}", start + 1
    if (match := _COMMAND.match(text, start)) and match[1] not in ("le", "ge", "cdot", "times", "text"):
        whole, end = match[0], match.end()
        for _ in range({"frac": 2, "sqrt": 1, "binom": 2}.get(match[1], 0)):
            argument, end = _argument(text, end, depth + 1)
            whole += argument
        return "{" + whole + "}", end
    return "", place


def _power(text: str, place: int, depth: int) -> tuple[str, int]:
    if signed := re.compile(r"\s*([-+]?\d+)").match(text, place):
        return "{" + signed[1] + "}", signed.end()
    sign = re.compile(r"\s*-\s*").match(text, place)
    argument, end = _argument(text, sign.end() if sign else place, depth, in_parentheses=True)
    if sign and argument:
        argument = "{-" + argument[1:]
    return (argument, end) if argument else ("", place)


def with_products(text: str) -> str:
    r"""N x 10^… and N e-5 as N \times 10^{…}; * as \cdot."""
    text = re.sub(rf"(?<![\w.])({_DIGITS}|\.\d+)[eE]([-+]?\d+)(?!\w)", r"\1 \\times 10^{\2}", text)
    text = re.sub(r"(\d)\s*[xX]\s*(?=10\s*\^)", r"\1 \\times ", text)
    return re.sub(r"\s*\*\s*", r" \\cdot ", text)


_THOUSANDS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}


def with_powers_of_thousand(text: str) -> str:
    r"""N million as N \times 10^{6}, with or without \text."""
    words = "|".join(_THOUSANDS)
    text = re.sub(rf"(?<=\d)\s+({words})\b", r"\\text{\1}", text)
    return re.sub(
        rf"(?<=\d)\s*\\text\{{\s*({words})\b\s*([^{{}}]*)\}}",
        lambda match: rf" \times 10^{{{_THOUSANDS[match[1]]}}}" + (rf"\text{{ {match[2]}}}" if match[2] else ""),
        text,
    )


def with_repeating_decimals(text: str) -> str:
    r"""D.D\overline{D} as a fraction, exactly."""

    def fraction(match: re.Match[str]) -> str:
        whole, fixed, again = match[1] or "0", match[2], match[3]
        value = Fraction(int(whole + fixed + again) - int(whole + fixed), (10 ** len(again) - 1) * 10 ** len(fixed))
        return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"

    return re.sub(r"(?<![\d.])(\d{0,20})\.(\d{0,20})\\(?:overline|bar|dot)\s*\{(\d{1,20})\}", fraction, text)


def with_mixed_numbers(text: str) -> str:
    r"""N \frac{a}{b} and N a/b, whole numbers with a < b, as one fraction. A sign before it is for the whole."""

    def improper(match: re.Match[str]) -> str:
        whole, above, below = (int(part) for part in match.groups())
        return rf"\frac{{{whole * below + above}}}{{{below}}}" if above < below else match[0]

    before = r"(?<![\w.}^,/)\]])(?<!\\cdot )(?<!\\times )(?<![\d] )(\d{1,15})"
    text = re.sub(before + r"\s*\\frac\{(\d{1,15})\}\{(\d{1,15})\}", improper, text)
    return re.sub(before + r"\s+(\d{1,15})\s*/\s*(\d{1,15})(?![\d.])", improper, text)


def with_unit(answer: str, unit: str | None) -> str:
    r"""An answer with the unit that a data set keeps in a column of its own: km, `$cm^2$`, %, ^{\circ}."""
    unit = "" if unit is None else unit.replace("$", "").strip()
    if not unit:
        return answer
    sign = {"%": r"\%", r"\%": r"\%"}.get(unit)
    return answer + (sign or (unit if "\\" in unit else rf"\text{{ {unit}}}"))
