"""The forms of answers of mathematics: a number with a unit, a named value, a list, a point, an interval, words."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from prefdelta.core.maths.units import Unit


@dataclass(frozen=True)
class Form:
    text: str


@dataclass(frozen=True)
class Leaf(Form):
    """An expression, kept as text."""


@dataclass(frozen=True)
class Quantity(Form):
    value: Form
    unit: Unit


@dataclass(frozen=True)
class Named(Form):
    """A form `name = value`. arguments: x in f(x)."""

    name: str
    arguments: tuple[str, ...]
    value: Form


@dataclass(frozen=True)
class Chain(Form):
    r"""Sides of an equation whose first side is not a name. roughly: joined by \approx, so any side may count."""

    sides: tuple[Form, ...]
    roughly: bool


@dataclass(frozen=True)
class Items(Form):
    """A list without brackets. alternatives: joined by "or"."""

    items: tuple[Form, ...]
    alternatives: bool


@dataclass(frozen=True)
class Bracket(Form):
    """Items in brackets that are kept: a point, a vector, an interval."""

    opening: str
    closing: str
    items: tuple[Form, ...]


@dataclass(frozen=True)
class Braces(Form):
    """A finite set."""

    items: tuple[Form, ...]


@dataclass(frozen=True)
class Matrix(Form):
    rows: tuple[tuple[Form, ...], ...]


@dataclass(frozen=True)
class Interval(Form):
    """The interval that an inequality describes. An end that is None is infinite."""

    name: str
    low: Form | None
    high: Form | None
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True)
class Union(Form):
    parts: tuple[Form, ...]


@dataclass(frozen=True)
class Relation(Form):
    """An inequality that gives no bound of a name."""


@dataclass(frozen=True)
class Based(Form):
    """Digits in a base."""

    digits: str
    base: int


@dataclass(frozen=True)
class Time(Form):
    """A time of day. half: a (a.m.), p (p.m.), or empty."""

    hours: int
    minutes: int
    seconds: int
    half: str


@dataclass(frozen=True)
class Words(Form):
    words: tuple[str, ...]


def parts_of(form: Form) -> Iterator[Form]:
    """The parts of a form that have no parts themselves: expressions, words, relations."""
    inner = [getattr(form, field.name) for field in fields(form)]
    forms = [part for value in inner for part in _flat(value)]
    if not forms and not isinstance(form, Based | Time):
        yield form
    for part in forms:
        yield from parts_of(part)


def _flat(value: object) -> Iterator[Form]:
    if isinstance(value, Form):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _flat(part)
