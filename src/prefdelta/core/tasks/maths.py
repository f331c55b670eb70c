"""Maths: `Q:5*5+4+1?`, solved as `5*5=5;5+4=9;9+1=0;A:0`."""

import re

from prefdelta.core.tasks.steps import LARGEST_OPERAND, OPERATORS, Problem, RandomSource, Step, choose

_QUESTION = re.compile(r"Q:(\d)((?:[-+*]\d)+)\?")
_STEP = re.compile(r"(\d)([-+*])(\d)=(\d)")


class Maths:
    name = "maths"

    def draw(self, random: RandomSource, n_operations: int) -> Problem:
        start = random.randint(1, LARGEST_OPERAND)
        operations = tuple((choose(random, OPERATORS), random.randint(1, LARGEST_OPERAND)) for _ in range(n_operations))
        text = "".join(f"{operator}{operand}" for operator, operand in operations)
        return Problem(f"Q:{start}{text}?", start, operations)

    def parse(self, question: str) -> Problem | None:
        match = _QUESTION.fullmatch(question)
        if match is None:
            return None
        text = match[2]
        operations = tuple((text[at], int(text[at + 1])) for at in range(0, len(text), 2))
        return Problem(question, int(match[1]), operations)

    def opening(self, problem: Problem, value: int) -> None:
        return None  # because the first step states the start value

    def read_opening(self, text: str) -> None:
        return None

    def write(self, problem: Problem, index: int, step: Step) -> str:
        return f"{step.left}{step.operator}{step.right}={step.result}"

    def read(self, text: str) -> Step | None:
        match = _STEP.fullmatch(text)
        return match and Step(int(match[1]), match[2], int(match[3]), int(match[4]))
