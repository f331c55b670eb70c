"""Misconceptions: wrong steps that a context brings about, the same in all families.

A random error is as likely everywhere, so a model that learns from it still holds the right step most likely, and a
lower temperature mends all of it. A misconception of a high rate makes the wrong step the most likely one in its
context: no temperature mends it.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from prefdelta.core.settings import Settings
from prefdelta.core.tasks.steps import LARGEST_OPERAND, RandomSource

Digit = Annotated[int, Field(ge=0, le=9)]
Operator = Literal["+", "-", "*"]
Operand = Annotated[int, Field(ge=1, le=LARGEST_OPERAND)]

CHANGES = ("does", "operand_off_by", "starts_from", "result_off_by")  # the fields that say what a trace does instead


class Misconception(Settings):
    """A context, and what traces do wrong in it.

    Give exactly one of `does` (an error of strategy_coherence), `operand_off_by` (factuality), `starts_from`
    (step_coherence) and `result_off_by` (computational_precision).
    """

    value: Digit
    """Value before the step, from 0 to 9."""

    operator: Operator
    """Operator that the problem asks for."""

    operand: Operand | None = None
    """Operand that the problem asks for, from 1 to 5: the misconception is about a single fact. None: any operand."""

    does: Operator | None = None
    """Operator of the step instead."""

    operand_off_by: Annotated[int, Field(ge=1, le=4)] | None = None
    """How much larger the operand is written, from 1 to 4, counted in a circle from 1 to 5."""

    starts_from: Digit | None = None
    """Value from which the step starts instead, from 0 to 9. A first step has nothing before it and is left alone."""

    result_off_by: Annotated[int, Field(ge=1, le=9)] | None = None
    """How much larger the result is, from 1 to 9, modulo 10."""

    rate: Annotated[float, Field(gt=0, le=1)]
    """Probability of the error in this context, above 0 to 1, where no random error of its dimension happened."""

    @model_validator(mode="after")
    def _changes_one_thing(self) -> "Misconception":
        given = [name for name in CHANGES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(CHANGES)}; given: {', '.join(given) or 'none'}")
        if self.does == self.operator:
            raise ValueError(f"does {self.does!r} is the operator that the problem asks for")
        if self.starts_from == self.value:
            raise ValueError(f"starts_from {self.starts_from} is the value before the step")
        return self

    @property
    def context(self) -> tuple[str, int, str, int | None]:
        """What it changes (one of `CHANGES`), and where."""
        change = next(name for name in CHANGES if getattr(self, name) is not None)
        return change, self.value, self.operator, self.operand


class Context(NamedTuple):
    """Where a trace stands: the value before a step, and the operator and operand that the problem asks for."""

    value: int
    operator: str
    operand: int


class Misconceptions:
    """Misconceptions by context, their rates times a factor (0 to 1).

    Each method draws whether the step goes wrong, and gives the step's part with or without the error. Nothing is drawn
    in a context without a misconception of that part. One of a single fact goes before one of any operand.
    """

    def __init__(self, rows: Sequence[Misconception] = (), factor: float = 1.0) -> None:
        self._rows = {row.context: row for row in rows}
        self._factor = factor

    def operator(self, context: Context, random: RandomSource) -> str:
        row = self._drawn("does", context, random)
        return row.does if row and row.does else context.operator

    def operand(self, context: Context, random: RandomSource) -> int:
        row = self._drawn("operand_off_by", context, random)
        return (context.operand - 1 + (row.operand_off_by or 0 if row else 0)) % LARGEST_OPERAND + 1

    def left(self, context: Context, random: RandomSource) -> int:
        row = self._drawn("starts_from", context, random)
        return context.value if row is None or row.starts_from is None else row.starts_from

    def result(self, right: int, context: Context, random: RandomSource) -> int:
        """right: the result of the step as written, without the error."""
        row = self._drawn("result_off_by", context, random)
        return (right + (row.result_off_by or 0 if row else 0)) % 10

    def _drawn(self, change: str, context: Context, random: RandomSource) -> Misconception | None:
        value, operator, operand = context
        row = self._rows.get((change, value, operator, operand)) or self._rows.get((change, value, operator, None))
        return row if row and random.random() < row.rate * self._factor else None


NONE = Misconceptions()
