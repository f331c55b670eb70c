"""Stem: `S:z3k4m4y2,z+y-k*m?`, solved as `z3;+y2:3+2=5;-k4:5-4=1;*m4:1*4=4;A:4`. Look up, then compute.

The table has the values in another order than the formula that uses them.
"""

import re
from string import ascii_lowercase

from prefdelta.core.tasks.steps import LARGEST_OPERAND, OPERATORS, Problem, RandomSource, Step, choose

NAMES = ascii_lowercase[10:]  # without the names that Code uses
_QUESTION = re.compile(r"S:((?:[k-z]\d)+),([k-z])((?:[-+*][k-z])+)\?")
_STEP = re.compile(r"[-+*][k-z]\d:(\d)([-+*])(\d)=(\d)")
_OPENING = re.compile(r"[k-z](\d)")


class Stem:
    name = "stem"

    def draw(self, random: RandomSource, n_operations: int) -> Problem:
        names = _shuffled(NAMES, random)[: n_operations + 1]
        values = {name: random.randint(1, LARGEST_OPERAND) for name in names}
        operators = [choose(random, OPERATORS) for _ in range(n_operations)]
        formula = names[0] + "".join(o + n for o, n in zip(operators, names[1:], strict=True))
        table = "".join(f"{name}{values[name]}" for name in _shuffled(names, random))
        operations = tuple((o, values[n]) for o, n in zip(operators, names[1:], strict=True))
        return Problem(f"S:{table},{formula}?", values[names[0]], operations)

    def parse(self, question: str) -> Problem | None:
        match = _QUESTION.fullmatch(question)
        if match is None:
            return None
        values = dict(re.findall(r"([k-z])(\d)", match[1]))
        uses = re.findall(r"([-+*])([k-z])", match[3])
        if not {match[2], *(name for _, name in uses)} <= set(values):
            return None
        operations = tuple((operator, int(values[name])) for operator, name in uses)
        return Problem(question, int(values[match[2]]), operations)

    def opening(self, problem: Problem, value: int) -> str:
        return f"{_formula(problem)[0]}{value}"

    def read_opening(self, text: str) -> int | None:
        match = _OPENING.fullmatch(text)
        return int(match[1]) if match else None

    def write(self, problem: Problem, index: int, step: Step) -> str:
        name = _formula(problem)[2 * index + 2]
        return f"{step.operator}{name}{step.right}:{step.left}{step.operator}{step.right}={step.result}"

    def read(self, text: str) -> Step | None:
        match = _STEP.fullmatch(text)
        return match and Step(int(match[1]), match[2], int(match[3]), int(match[4]))


def _formula(problem: Problem) -> str:
    return problem.question.rpartition(",")[2]


def _shuffled(names: str, random: RandomSource) -> str:
    """The characters in a drawn order."""
    left, drawn = list(names), ""
    while left:
        drawn += left.pop(random.randint(0, len(left) - 1))
    return drawn
