"""Arithmetic modulo 10 in explicit steps: the common ground of all families.

A problem is a start value and operations applied from left to right. `5*5+4+1` is start 5, then *5, +4, +1;
its clean trace has the steps 5*5=5, 5+4=9, 9+1=0 (each result modulo 10) and the answer 0.
"""

from dataclasses import dataclass
from typing import Protocol

OPERATORS = "+-*"
LARGEST_OPERAND = 5  # operands and start values of a problem: from 1 to this, equally likely
FILLER = "hm"
ANSWER_MARK = "A:"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a trace, as written: `left operator right = result`."""

    left: int
    operator: str
    right: int
    result: int


@dataclass(frozen=True, slots=True)
class Problem:
    """The problem of a question: a start value and (operator, operand) pairs. `question` is its text."""

    question: str
    start: int
    operations: tuple[tuple[str, int], ...]

    def steps(self) -> list[Step]:
        """The clean solution."""
        steps = []
        left = self.start
        for operator, right in self.operations:
            steps.append(Step(left, operator, right, apply(left, operator, right)))
            left = steps[-1].result
        return steps

    def answer(self) -> int:
        return self.steps()[-1].result


class Family(Protocol):
    """One kind of question and how its steps are written."""

    name: str

    def draw(self, random: "RandomSource", n_operations: int) -> Problem:
        """A problem of the family."""

    def parse(self, question: str) -> Problem | None:
        """The problem of a question, or None if the question is not of this family."""

    def opening(self, problem: Problem, value: int) -> str | None:
        """The text of a trace before its first step, if the start value is written down; else None."""

    def read_opening(self, text: str) -> int | None:
        """The start value that an opening states, or None if the text is not an opening of this family."""

    def write(self, problem: Problem, index: int, step: Step) -> str:
        """A step as text, without separator. `index` counts the problem's operations from 0."""

    def read(self, text: str) -> Step | None:
        """A step from its text, or None if the text is not a step of this family."""


class RandomSource(Protocol):
    """The part of `random.Random` the tasks use."""

    def random(self) -> float: ...

    def randint(self, a: int, b: int) -> int: ...


def apply(left: int, operator: str, right: int) -> int:
    """`left operator right` modulo 10. Raises ValueError for an unknown operator."""
    match operator:
        case "+":
            return (left + right) % 10
        case "-":
            return (left - right) % 10
        case "*":
            return (left * right) % 10
    raise ValueError(f"unknown operator {operator!r}; known: {OPERATORS}")


def choose(random: RandomSource, options: str) -> str:
    """One character of `options`."""
    return options[random.randint(0, len(options) - 1)]


def clean_trace(family: Family, problem: Problem) -> str:
    """The correct trace of a problem, e.g. `5*5=5;5+4=9;9+1=0;A:0`."""
    opening = family.opening(problem, problem.start)
    parts = [family.write(problem, index, step) for index, step in enumerate(problem.steps())]
    return ";".join([*([opening] if opening else []), *parts, f"{ANSWER_MARK}{problem.answer()}"])
