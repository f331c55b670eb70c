"""Whether two answers of mathematics are the same, form by form. Runs in the process of `maths_process`.

`maths_expressions` reads and compares the expressions inside the forms. In doubt, two answers are not the same.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import product

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
    Time,
    Union,
    Words,
    parts_of,
)
from prefdelta.core.maths.quantities import DEGREE, PERCENT
from prefdelta.core.maths.reading import readings
from prefdelta.core.maths.text import canonical
from prefdelta.core.maths.words import number_of
from prefdelta.graders.maths_expressions import Renamed, is_part_of_one, readable, same_expressions, same_relation

_RATIO = re.compile(r"\d+\s*:\s*\d+")
_LONGEST = 10_000  # characters of an answer


@lru_cache(maxsize=4096)  # models give the same answer again and again
def same(gold: str, answer: str) -> bool:
    """Whether a final answer is the right one. Both are texts as written; in doubt they are not the same."""
    if max(len(gold), len(answer)) > _LONGEST:
        return gold.strip() == answer.strip()
    right, given = canonical(gold), canonical(answer)
    if not right or not given:
        return False
    if right.replace(" ", "") == given.replace(" ", "") and not re.search(r"\d \d", right + "  " + given):
        return True
    if _same_choice(right, given):
        return True
    rights, answers = readings(right), readings(given)
    if isinstance(rights[0], Time) and isinstance(answers[0], Time):
        return equal(rights[0], answers[0])  # not as ratios: 2:30 is not 1:15
    if (
        any(isinstance(side[0], Time) for side in (rights, answers))
        and _RATIO.fullmatch(right)
        and _RATIO.fullmatch(given)
    ):
        return False
    return any(equal(gold_form, form) for gold_form, form in product(rights, answers))


def has_parts(gold: str) -> bool:
    """Whether a right answer is several values: a list, a point, a set."""
    form = readings(canonical(gold))[0]
    value = form.value if isinstance(form, Named) else form
    return isinstance(value, Items | Bracket | Braces | Union | Matrix)


_PROSE = re.compile(r"\\text|(?<![\\A-Za-z])[A-Za-z]{3,}|[A-Za-z]{2,}\s+[A-Za-z]{2,}")


def understood(text: str) -> bool:
    """Whether a text is an answer of mathematics as a whole, with nothing before or behind it, and not words."""
    if len(text) > _LONGEST:
        return False
    parts = [part.text for part in parts_of(readings(canonical(text))[0])]
    return not any(map(_PROSE.search, parts)) and all(map(readable, parts))


def _same_choice(gold: str, answer: str) -> bool:
    """Whether an answer is the label of the right option, (C) or C, or begins with it, such as `(C) 7`."""
    one_letter = r"(?:\\text\{)?\s*\(?([A-J])\)?\s*\}?"
    letter, whole = re.fullmatch(one_letter, gold), re.fullmatch(one_letter, answer)
    if letter and whole:
        return letter[1] == whole[1]
    label = re.match(r"(?:\\text\{)?\s*(?:\(([A-J])\)|([A-J])[).:])\s*\}?(?![A-Za-z])", answer)
    return bool(letter and label and letter[1] == (label[1] or label[2]))


def equal(gold: Form, answer: Form, renamed: Renamed = ()) -> bool:
    """Whether an answer's form means the same as the gold answer's."""
    for unwrap in (_chains, _names, _quantities, _lists, _brackets, _sets, _rest):
        verdict = unwrap(gold, answer, renamed)
        if verdict is not None:
            return verdict
    return _same_leaves(gold, answer, renamed)


def _same_leaves(gold: Form, answer: Form, renamed: Renamed) -> bool:
    return same_expressions(gold.text, answer.text, renamed)


# --- equations --------------------------------------------------------------------------------------------------------


def _chains(gold: Form, answer: Form, renamed: Renamed) -> bool | None:
    if isinstance(gold, Chain) and gold.roughly:
        return any(equal(side, answer, renamed) for side in gold.sides)
    if isinstance(answer, Chain) and answer.roughly:
        return any(equal(gold, side, renamed) for side in answer.sides)
    if not isinstance(gold, Chain) and not isinstance(answer, Chain):
        return None
    if isinstance(gold, Chain | Named) and isinstance(answer, Chain | Named):
        return same_relation(gold.text, answer.text)
    if isinstance(answer, Chain) and all(isinstance(side, Based) for side in answer.sides):  # 17_8 = 15_{10}
        values = {_value(side) for side in answer.sides if isinstance(side, Based)}
        return len(values) == 1 and any(equal(gold, side, renamed) for side in answer.sides)
    if isinstance(answer, Chain):  # equals joined by "=" are one value; an equation is not its right side
        return all(equal(gold, side, renamed) for side in answer.sides)
    return isinstance(gold, Chain) and all(equal(side, answer, renamed) for side in gold.sides)


def _names(gold: Form, answer: Form, renamed: Renamed) -> bool | None:
    if isinstance(gold, Named) and isinstance(answer, Named):
        if gold.name == answer.name and len(gold.arguments) == len(answer.arguments):
            pairs = tuple(zip(answer.arguments, gold.arguments, strict=True))
            return equal(gold.value, answer.value, renamed + tuple(pair for pair in pairs if pair[0] != pair[1]))
        return same_relation(gold.text, answer.text)
    if isinstance(gold, Named):
        return equal(gold.value, answer, renamed)
    if isinstance(answer, Named):
        return equal(gold, answer.value, renamed)
    return None


# --- units ------------------------------------------------------------------------------------------------------------


def _quantities(gold: Form, answer: Form, renamed: Renamed) -> bool | None:
    if isinstance(gold, Items | Bracket | Braces) or isinstance(answer, Items | Bracket | Braces):
        return None
    if isinstance(gold, Quantity) and isinstance(answer, Quantity):
        one, other = gold.unit, answer.unit
        if {one.dimensions, other.dimensions} in _ANGLES:
            return equal(gold.value, answer.value, renamed)
        if {one.dimensions, other.dimensions} == {(("degree", 1),), (("radian", 1),)}:
            return _as_radians(gold, answer, renamed)
        if one.dimensions != other.dimensions:
            return False
        if one.scale == other.scale:
            return equal(gold.value, answer.value, renamed)
        return _same_leaves(_scaled(gold), _scaled(answer), renamed)
    if isinstance(gold, Quantity):
        return equal(gold.value, answer, renamed) or _without_unit(gold, answer, renamed)
    if isinstance(answer, Quantity):
        as_it_is = answer.unit != PERCENT or not is_part_of_one(gold.text)  # 15% is right for 15, 0.15% is not for 0.15
        return (as_it_is and equal(gold, answer.value, renamed)) or _without_unit(answer, gold, renamed)
    return None


# 30°C and 30°: the scale was left out.
_ANGLES = ({(("degree", 1),), (("degree C", 1),)}, {(("degree", 1),), (("degree F", 1),)})


def _scaled(quantity: Quantity) -> Leaf:
    scale = quantity.unit.scale
    return Leaf(rf"({quantity.value.text}) \cdot \frac{{{scale.numerator}}}{{{scale.denominator}}}")


def _without_unit(quantity: Quantity, bare: Form, renamed: Renamed) -> bool:
    """Whether a quantity equals an answer without a unit: 8% is 0.08; 90° is π/2 if the other side has a π."""
    if quantity.unit == PERCENT:
        return _same_leaves(Leaf(rf"\frac{{{quantity.value.text}}}{{100}}"), bare, renamed)
    if quantity.unit == DEGREE and (r"\pi" in bare.text or r"\degree" in bare.text):
        return _same_leaves(Leaf(rf"({quantity.value.text}) \cdot \frac{{\pi}}{{180}}"), bare, renamed)
    return False


def _as_radians(gold: Quantity, answer: Quantity, renamed: Renamed) -> bool:
    sides = [
        Leaf(rf"({side.value.text}) \cdot \frac{{\pi}}{{180}}") if side.unit == DEGREE else side.value
        for side in (gold, answer)
    ]
    return _same_leaves(sides[0], sides[1], renamed)


# --- lists, brackets, sets --------------------------------------------------------------------------------------------


def _lists(gold: Form, answer: Form, renamed: Renamed) -> bool | None:
    if isinstance(gold, Items) and isinstance(answer, Items):
        if _ordered_by_names(gold.items, answer.items):
            return _in_order(gold.items, answer.items, renamed)
        if _in_any_order(gold.items, answer.items, renamed):
            return True
        named = _opened(gold.items), _opened(answer.items)
        return named != (gold.items, answer.items) and _in_any_order(*named, renamed)
    if isinstance(gold, Items) and isinstance(answer, Braces):
        return _in_any_order(gold.items, answer.items, renamed)
    if isinstance(gold, Braces) and isinstance(answer, Items):
        return _in_any_order(gold.items, answer.items, renamed)
    if (isinstance(gold, Items) and isinstance(answer, Bracket)) or (
        isinstance(gold, Bracket) and isinstance(answer, Items)
    ):
        bracket = gold if isinstance(gold, Bracket) else answer
        assert isinstance(bracket, Bracket)
        assert isinstance(gold, Items | Bracket)
        assert isinstance(answer, Items | Bracket)
        return bracket.opening + bracket.closing in ("()", r"\langle\rangle") and _in_order(
            gold.items, answer.items, renamed
        )
    if isinstance(answer, Items) and not isinstance(gold, Items | Union):  # "1/2 or 0.5"
        return answer.alternatives and all(equal(gold, item, renamed) for item in answer.items)
    if isinstance(gold, Items):
        return False
    return None


def _ordered_by_names(gold: Sequence[Form], answer: Sequence[Form]) -> bool:
    """Whether only one side names its values by different letters: a = 1, b = 2 against 1, 2."""
    for named, bare in ((gold, answer), (answer, gold)):
        if all(isinstance(item, Named) for item in named) and not any(isinstance(item, Named | Chain) for item in bare):
            letters = {item.name.split("_")[0] for item in named if isinstance(item, Named)}
            if len(letters) > 1:
                return True
    return False


def _opened(items: tuple[Form, ...]) -> tuple[Form, ...]:
    """The items without names of several letters: (x, y) = (1, 2) as (1, 2)."""
    opened: list[Form] = []
    for item in items:
        opened.append(item.value if isinstance(item, Named) and item.name.startswith("(") else item)
    return tuple(opened)


def _in_order(gold: Sequence[Form], answer: Sequence[Form], renamed: Renamed) -> bool:
    return len(gold) == len(answer) and all(equal(one, other, renamed) for one, other in zip(gold, answer, strict=True))


def _in_any_order(gold: Sequence[Form], answer: Sequence[Form], renamed: Renamed) -> bool:
    if len(answer) > len(gold) and all(isinstance(item, Bracket) for item in answer):
        answer = _different(answer)  # a solution that is listed twice
    if len(gold) != len(answer):
        return False
    left = list(answer)
    for item in gold:
        place = next((place for place, other in enumerate(left) if equal(item, other, renamed)), None)
        if place is None:
            return False
        del left[place]
    return True


_POINTS = ("()", r"\langle\rangle")


def _brackets(gold: Form, answer: Form, renamed: Renamed) -> bool | None:
    if isinstance(gold, Bracket) and isinstance(answer, Bracket):
        kinds = {gold.opening + gold.closing, answer.opening + answer.closing}
        like = len(kinds) == 1 or kinds == set(_POINTS) or (len(gold.items) > 2 and kinds <= {*_POINTS, "[]"})
        return like and _in_order(gold.items, answer.items, renamed)
    if isinstance(gold, Matrix) and isinstance(answer, Matrix):
        return len(gold.rows) == len(answer.rows) and all(
            _in_order(one, other, renamed) for one, other in zip(gold.rows, answer.rows, strict=True)
        )
    for matrix, other in ((gold, answer), (answer, gold)):
        if isinstance(matrix, Matrix) and isinstance(other, Bracket):
            line = matrix.rows[0] if len(matrix.rows) == 1 else tuple(row[0] for row in matrix.rows)
            if (len(matrix.rows) > 1 and len(matrix.rows[0]) > 1) or other.opening + other.closing not in _POINTS:
                return False
            pair = (line, other.items) if matrix is gold else (other.items, line)
            return _in_order(*pair, renamed)
    return None


def _sets(gold: Form, answer: Form, renamed: Renamed) -> bool | None:
    if isinstance(gold, Interval) and isinstance(answer, Interval) and gold.name != answer.name:
        return same_relation(gold.text, answer.text)  # a > 2b and b < a/2
    left, right = _ends(gold), _ends(answer)
    if left and right and (isinstance(gold, Interval) or isinstance(answer, Interval)):
        return all(
            equal(one, other, renamed) and (closed == other_closed or _infinite(one))
            for (one, closed), (other, other_closed) in zip(left, right, strict=True)
        )
    if isinstance(gold, Braces) and isinstance(answer, Braces):
        return _in_any_order(_different(gold.items), _different(answer.items), renamed)
    for braces, other in ((gold, answer), (answer, gold)):
        if isinstance(braces, Braces) and len(braces.items) == 1 and isinstance(other, Leaf | Quantity):
            one, two = (braces.items[0], other) if braces is gold else (other, braces.items[0])
            return equal(one, two, renamed)
    if isinstance(gold, Union) and isinstance(answer, Union):
        return _in_any_order(gold.parts, answer.parts, renamed) or _same_leaves(gold, answer, renamed)
    return None


def _different(items: Sequence[Form]) -> tuple[Form, ...]:
    different: list[Form] = []
    for item in items:
        if not any(equal(other, item) for other in different):
            different.append(item)
    return tuple(different)


def _ends(form: Form) -> list[tuple[Form, bool]] | None:
    """The two ends of an interval, each with whether it belongs to the interval."""
    if isinstance(form, Interval):
        low, high = form.low or Leaf(r"-\infty"), form.high or Leaf(r"\infty")
        return [(low, form.low_closed), (high, form.high_closed)]
    if isinstance(form, Bracket) and len(form.items) == 2 and form.opening in "([" and form.closing in ")]":
        return [(form.items[0], form.opening == "["), (form.items[1], form.closing == "]")]
    return None


def _infinite(form: Form) -> bool:
    return re.sub(r"[-+\s]", "", form.text) == r"\infty"


# --- forms read as a whole --------------------------------------------------------------------------------------------


def _rest(gold: Form, answer: Form, renamed: Renamed) -> bool | None:
    if isinstance(gold, Based) or isinstance(answer, Based):
        return _same_digits(gold, answer)
    if isinstance(gold, Time) and isinstance(answer, Time):
        halves = {gold.half, answer.half} - {""}
        clock = (gold.hours, gold.minutes, gold.seconds) == (answer.hours, answer.minutes, answer.seconds)
        return clock and len(halves) < 2
    if isinstance(gold, Words) and isinstance(answer, Words):
        return _same_words(gold.words, answer.words)
    for words, other in ((gold, answer), (answer, gold)):
        if isinstance(words, Words):
            number = number_of(words.words)
            return number is not None and isinstance(other, Leaf) and _same_leaves(Leaf(str(number)), other, renamed)
    if any(isinstance(form, Braces | Bracket | Matrix | Union) for form in (gold, answer)):
        singles = [form for form in (gold, answer) if isinstance(form, Leaf | Relation | Interval | Union)]
        return bool(singles) and _same_leaves(gold, answer, renamed)
    return None


def _same_digits(gold: Form, answer: Form) -> bool:
    """Whether digits in a base agree: 52_8 is 52_8, or 52 without a base. It is neither 52_9 nor 42."""
    sides = [
        form if isinstance(form, Based) else Based(form.text, form.text.lstrip("0") or "0", 0)
        for form in (gold, answer)
    ]
    return sides[0].digits == sides[1].digits and len({side.base for side in sides} - {0}) < 2


def _value(number: Based) -> int | None:
    try:
        return int(number.digits[:1000], number.base)
    except ValueError:  # a digit that the base does not have
        return None


_VERBS = {"is", "has", "was", "are", "have", "had", "were", "will", "does", "ran", "runs", "wins", "won", ","}
_DENIALS = {"not", "no", "or", "and", "nor", "but", "except", "neither", "never", "nobody", "isn't", "doesn't", "if"}


def _same_words(gold: tuple[str, ...], answer: tuple[str, ...]) -> bool:
    """Whether an answer has the same words in the same order, or begins with them and goes on with a verb."""
    bare = [tuple(word for word in words if word != ",") for words in (gold, answer)]
    if bare[0] == bare[1]:
        return True
    lists = [sorted(re.split(r" (?:, )?(?:and|,) ", " ".join(words))) for words in (gold, answer)]
    if len(lists[0]) > 1 or len(lists[1]) > 1:
        return lists[0] == lists[1] or (len(lists[0]) == 1 and _goes_on(gold, answer))
    return _goes_on(gold, answer)


def _goes_on(gold: tuple[str, ...], answer: tuple[str, ...]) -> bool:
    rest = answer[len(gold) :]
    return answer[: len(gold)] == gold and bool(_VERBS & set(rest[:1])) and not _DENIALS & set(rest)
