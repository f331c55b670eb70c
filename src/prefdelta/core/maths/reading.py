r"""From the text of an answer to its forms (`forms`).

`readings` takes canonical text (`text`) and gives its forms, more than one where it is ambiguous: `1,234` is a number
and a list. The expressions inside a form stay text (`Leaf`); `graders.maths_expressions` reads them.

    answer   = chain | list
    chain    = {name "="} expression {("=" | "\approx") expression}
    list     = item {("," | ";" | "and" | "or") item}
    item     = chain | bounds | union | bracket | set | matrix | quantity | based | time | words | expression
    bounds   = [expression order] name order expression, order one of < > \le \ge, both in one direction
    union    = item {"\cup" item}, or bounds {"or" bounds}
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from prefdelta.core.maths.forms import (
    Based,
    Braces,
    Bracket,
    Chain,
    Form,
    Interval,
    Items,
    Leaf,
    Matrix,
    Named,
    Quantity,
    Relation,
    Union,
    Words,
)
from prefdelta.core.maths.names import LETTER, name_of
from prefdelta.core.maths.quantities import based, is_marked, marked_quantity, time_of_day, value_and_unit
from prefdelta.core.maths.splitting import inside, split, trimmed
from prefdelta.core.maths.words import EVERYTHING, words_of

_DEPTH = 12  # most forms within each other
_LONGEST = 4_000  # characters; a longer text is an expression
_MOST = 200  # most items of a list
_ORDER = re.compile(r"\\le(?![A-Za-z])|\\ge(?![A-Za-z])|<|>")
_EQUAL = re.compile(r"(?<![<>:\\])=(?!=)|\\equiv(?![A-Za-z])|\\approx(?![A-Za-z])")


@lru_cache(maxsize=1024)  # one right answer meets many answers
def readings(text: str, depth: int = 0) -> tuple[Form, ...]:
    """The forms that a canonical text can have, the likeliest first. There is at least one."""
    text = trimmed(text)
    if depth > _DEPTH or len(text) > _LONGEST:
        return (Leaf(text),)
    return tuple(_readings(text, depth)) or (Leaf(text),)


def reading(text: str, depth: int) -> Form:
    """The likeliest of the forms."""
    return readings(text, depth)[0]


def _readings(text: str, depth: int) -> Iterator[Form]:
    if time := time_of_day(text):
        yield time
    if EVERYTHING.fullmatch(text):
        yield reading(r"(-\infty,\infty)", depth + 1)
        return
    if words := words_of(text):
        yield words
        if letter := re.fullmatch(r"\\text\{\s*([A-Za-z])\s*\}", text):
            yield Leaf(letter[1])
        if not re.fullmatch(r"[A-Za-z]{1,4}", text):  # a short word may be a product
            return
    if letters := re.fullmatch(r"\\?(?:text\{)?\s*\(\s*([A-Z])\s*\)\s*\}?", text):
        yield Words(text, (letters[1].lower(),))
    if thousands := re.fullmatch(r"(-?[1-9]\d{0,2}(?:,\d{3})+)(\.\d+)?(.*)", text):
        if not re.match(r"\s*[,;\d]", thousands[3]):
            yield from readings(thousands[1].replace(",", "") + (thousands[2] or "") + thousands[3], depth + 1)
    elif decimal := re.fullmatch(r"(-?0),(\d{3,})", text):
        yield Leaf(f"{decimal[1]}.{decimal[2]}")
    items = _list(text, depth)
    if items is not None:
        yield items
        return
    yield from _single(text, depth)


def _single(text: str, depth: int) -> Iterator[Form]:
    for read in (_member, _unequal, _bounds, _chain, _union, _ratio, _matrix, _set, _plus_minus, _bracket):
        form = read(text, depth)
        if form is not None:
            yield form
            return
    if (number := based(text)) is not None:
        yield number
        return
    quantity = _quantity(text, depth)
    if quantity is not None:
        yield quantity
        if r"\text" in text or r"\%" in text or r"\degree" in text:
            return
    yield Leaf(text)


# --- lists ------------------------------------------------------------------------------------------------------------


_COMMA = re.compile(r",|(?:,\s*)?(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])\s*,?|\\cr(?![A-Za-z])|&")
_OF_ALL = re.compile(
    r"\(?\s*[a-z]\s*\\in\s*\\(?:mathbb|mathbf)\{[ZNQR]\}(?:\^\+|_\+)?\s*\)?"
)  # the condition in ", k in Z"
_SEMICOLON = re.compile(r";")


def _list(text: str, depth: int) -> Form | None:
    for separator in (_SEMICOLON, _COMMA):
        parts, marks = split(text, separator)
        parts = [part for part in map(trimmed, parts) if part]
        parts = [part for part in parts if not _OF_ALL.fullmatch(part)] or parts
        if len(parts) == 1 and marks and _OF_ALL.search(text):
            return reading(parts[0], depth + 1)
        if len(parts) < 2 or len(parts) > _MOST:
            continue
        if any(
            re.match(r"(?:where|if|for|when|with|since)\b|\\text\{\s*(?:where|if|for|when|with|since)", part)
            for part in parts
        ):
            return Leaf(text)  # a condition is not an item
        forms = [reading(part, depth + 1) for part in parts]
        alternatives = any("or" in mark for mark in marks)
        if len(forms) == 2 and marks == ["and"] and (both := _both(text, forms[0], forms[1])):
            return both
        if all(isinstance(form, Interval) for form in forms) or (
            alternatives and any(isinstance(form, Interval | Union) for form in forms)
        ):
            return Union(text, tuple(_as_set(form) for form in forms))
        items = [
            item
            for form in forms
            for item in (form.items if isinstance(form, Items) and separator is _COMMA else [form])
        ]
        first = items[0]
        if isinstance(first, Named) and not any(isinstance(item, Named | Chain) for item in items[1:]):
            items = [first.value, *items[1:]]  # x = 1, 2
        return Items(text, tuple(items), alternatives)
    return None


def _as_set(form: Form) -> Form:
    if isinstance(form, Named):
        return Braces(form.text, (form.value,))
    return form


def _both(text: str, one_side: Form, other: Form) -> Form | None:
    """Two inequalities as one interval: `x > 2 and x < 5`."""
    if not (isinstance(one_side, Interval) and isinstance(other, Interval)) or one_side.name != other.name:
        return None
    low, high = (one_side, other) if one_side.high is None else (other, one_side)
    if low.high is not None or high.low is not None:
        return None
    return Interval(text, low.name, low.low, high.high, low.low_closed, high.high_closed)


# --- names and equations ----------------------------------------------------------------------------------------------


def _chain(text: str, depth: int) -> Form | None:
    parts, marks = split(text, _EQUAL)
    parts = [part.strip() for part in parts]
    if len(parts) < 2 or not all(parts):
        return None
    names = []
    for part in parts[:-1]:
        if (name := name_of(part)) is None:
            break
        names.append(name)
    if not names:
        return Chain(text, tuple(reading(part, depth + 1) for part in parts), all("approx" in mark for mark in marks))
    if any(r"\equiv" in mark for mark in marks):
        return Relation(text)
    if marks[-1] == r"\approx" and len(parts) > len(names) + 1:  # x = 1/3 \approx 0.33
        value: Form = Chain(text, tuple(reading(part, depth + 1) for part in parts[-2:]), roughly=True)
    else:  # x = 2 + 3 = 5 is 5
        value = reading(parts[-1], depth + 1)
    if len(names) > 1 and len(parts) == len(names) + 1:  # a = b = 5 gives both
        return Items(text, tuple(Named(text, *name, value) for name in names), alternatives=True)
    return Named(text, *names[0], value)


def _member(text: str, depth: int) -> Form | None:
    r"""The set that contains a name: x \in [2, 5). OlympiadBench once writes t(0,4]."""
    parts, marks = split(text, re.compile(r"\\in(?![A-Za-z])"))
    if len(marks) == 1 and name_of(parts[0]):
        return reading(parts[1], depth + 1)
    half_open = re.fullmatch(r"[a-z]\s*(\(.*\]|\[.*\))", text)
    return _bracket(half_open[1], depth) if half_open else None


# --- inequalities and sets --------------------------------------------------------------------------------------------


def _unequal(text: str, depth: int) -> Form | None:
    r"""The union of both sides of a number: x \ne 2."""
    parts, marks = split(text, re.compile(r"\\ne(?![A-Za-z])"))
    if len(marks) != 1 or not parts[1].strip() or (name := name_of(parts[0])) is None or name_of(parts[1]):
        return None
    value = reading(parts[1], depth + 1)
    ends = Interval(text, name[0], None, value, False, False), Interval(text, name[0], value, None, False, False)
    return Union(text, ends)


def _bounds(text: str, depth: int) -> Form | None:
    parts, marks = split(text, _ORDER)
    parts = [part.strip() for part in parts]
    if not marks:
        return None
    if not all(parts) or _EQUAL.search(text):
        return Relation(text)
    if len(marks) == 1:
        left, right = parts
        if absolute := re.fullmatch(r"\|\s*([^|]*)\s*\|", left):
            within = name_of(absolute[1])
            if within is None:
                return Relation(text)
            low: Form = Leaf(f"-({right})")
            high, closed = reading(right, depth + 1), marks[0] in (r"\le", r"\ge")
            if marks[0] in ("<", r"\le"):
                return Interval(text, within[0], low, high, closed, closed)
            outside = (
                Interval(text, within[0], None, low, False, closed),
                Interval(text, within[0], high, None, closed, False),
            )
            return Union(text, outside)
        if name_of(left) is None or (name_of(right) is not None and not re.fullmatch(LETTER, left)):
            left, right = right, left
            marks = [{"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}[marks[0]]]
        name = name_of(left)
        if name is None:
            return Relation(text)
        end, closed = reading(right, depth + 1), marks[0] in (r"\le", r"\ge")
        if marks[0] in ("<", r"\le"):
            return Interval(text, name[0], None, end, False, closed)
        return Interval(text, name[0], end, None, closed, False)
    if len(marks) == 2 and (name := name_of(parts[1])):
        rising = [mark in ("<", r"\le") for mark in marks]
        if rising[0] == rising[1]:
            ends = [
                (reading(parts[0], depth + 1), marks[0] in (r"\le", r"\ge")),
                (reading(parts[2], depth + 1), marks[1] in (r"\le", r"\ge")),
            ]
            (low, low_closed), (high, high_closed) = ends if rising[0] else ends[::-1]
            return Interval(text, name[0], low, high, low_closed, high_closed)
    return Relation(text)


def _union(text: str, depth: int) -> Form | None:
    parts, marks = split(text, re.compile(r"\\cup(?![A-Za-z])"))
    if not marks:
        return None
    return Union(text, tuple(reading(part, depth + 1) for part in parts))


def _ratio(text: str, depth: int) -> Form | None:
    """A ratio of three numbers or more. A ratio of two is a quotient."""
    parts, marks = split(text, re.compile(":"))
    if len(marks) < 2 or not all(part.strip() for part in parts):
        return None
    return Bracket(text, ":", ":", tuple(reading(part, depth + 1) for part in parts))


def _plus_minus(text: str, depth: int) -> Form | None:
    r"""A text with one \pm, and perhaps \mp, as two values."""
    signs = re.findall(r"\\(pm|mp)(?![A-Za-z])", text)
    if signs == ["mp"]:
        return _plus_minus(text.replace(r"\mp", r"\pm"), depth)
    if signs.count("pm") != 1 or split(text, _COMMA)[1]:
        return None
    both = []
    for plus, minus in (("+", "-"), ("-", "+")):
        part = re.sub(r"\\pm(?![A-Za-z])", f" {plus} ", text)
        both.append(re.sub(r"\\mp(?![A-Za-z])", f" {minus} ", part))
    both[0] = re.sub(r"^\s*\+\s*", "", both[0])
    items = tuple(reading(part, depth + 1) for part in both)
    return None if any(isinstance(item, Items) for item in items) else Items(text, items, alternatives=False)


def _set(text: str, depth: int) -> Form | None:
    r"""A set \{1, 2\}; or the condition in \{x : x > 2\}."""
    braces = inside(text)
    if braces is None or braces[:2] != (r"\{", r"\}"):
        return None
    parts, marks = split(braces[2], re.compile(r"\||:(?!=)|\\text\{\s*such that\s*\}"))
    if len(marks) == 1:
        return reading(parts[1], depth + 1) if name_of(re.split(r"\\in(?![A-Za-z])", parts[0])[0]) else None
    if not braces[2].strip():
        return Words(text, ("no", "solution"))
    form = _list(braces[2], depth + 1) or reading(braces[2], depth + 1)
    return Braces(text, form.items if isinstance(form, Items) else (form,))


def _bracket(text: str, depth: int) -> Form | None:
    brackets = inside(text)
    if brackets is None or r"\{" in brackets[0] or r"\}" in brackets[1]:
        return None
    opening, closing, inner = brackets
    if thousands := re.fullmatch(r"\s*(-?\d{1,3}(?:,\d{3})+)\s*", inner):
        return Bracket(text, opening, closing, tuple(Leaf(part) for part in thousands[1].split(",")))
    form = _list(inner, depth + 1) or reading(inner, depth + 1)
    if isinstance(form, Items) and re.search(r"[,;&]", inner):
        return Bracket(text, opening, closing, form.items)
    if opening + closing == "()" and isinstance(form, Matrix | Words | Quantity | Based):
        return form
    return None


def _matrix(text: str, depth: int) -> Form | None:
    match = re.fullmatch(
        r"[(\[]?\s*\\begin\{((?:[pbBvV]|small)?matrix|array)\}(?:\{[^{}]*\})?(.*)\\end\{\1\}\s*[)\]]?", text, re.DOTALL
    )
    if match is None or r"\begin" in match[2] or match[1][0] in "vV":
        return None
    rows = [row for row in re.split(r"\\cr(?![A-Za-z])", match[2]) if row.strip()]
    cells = tuple(tuple(Leaf(trimmed(cell)) for cell in row.split("&")) for row in rows)
    return Matrix(text, cells) if cells and len({len(row) for row in cells}) == 1 else None


def _quantity(text: str, depth: int) -> Form | None:
    if is_marked(text):
        return marked_quantity(text)
    parts = value_and_unit(text)
    return Quantity(text, reading(parts[0], depth + 1), parts[1]) if parts else None
