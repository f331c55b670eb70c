"""Code: `P:a=1;b=a-2;c=b-5;d=c+a;d?`, traced as `b=1-2=9;c=9-5=4;d=4+1=5;A:5`.

Each line applies an operation to the variable before it; an operand is a digit or the first variable.
"""

import re
from string import ascii_lowercase

from prefdelta.core.tasks.steps import LARGEST_OPERAND, OPERATORS, Problem, RandomSource, Step, choose

_QUESTION = re.compile(r"P:a=(\d);((?:[b-z]=[a-y][-+*][a\d];)+)([b-z])\?")
_LINE = re.compile(r"([b-z])=([a-y])([-+*])([a\d])")
_STEP = re.compile(r"[b-z]=(\d)([-+*])(\d)=(\d)")
NAMES_FIRST = 0.4  # share of operands after the first line that name the first variable


class Code:
    name = "code"

    def draw(self, random: RandomSource, n_operations: int) -> Problem:
        start = random.randint(1, LARGEST_OPERAND)
        lines, operations = [], []
        for index in range(n_operations):
            operator, operand = choose(random, OPERATORS), random.randint(1, LARGEST_OPERAND)
            names_first = index > 0 and random.random() < NAMES_FIRST
            written = "a" if names_first else str(operand)
            operations.append((operator, start if names_first else operand))
            lines.append(f"{ascii_lowercase[index + 1]}={ascii_lowercase[index]}{operator}{written};")
        asked = ascii_lowercase[n_operations]
        return Problem(f"P:a={start};{''.join(lines)}{asked}?", start, tuple(operations))

    def parse(self, question: str) -> Problem | None:
        match = _QUESTION.fullmatch(question)
        if match is None:
            return None
        start, operations = int(match[1]), []
        for index, line in enumerate(_LINE.finditer(match[2])):
            if line[1] + line[2] != ascii_lowercase[index + 1 : index + 2] + ascii_lowercase[index : index + 1]:
                return None
            operations.append((line[3], start if line[4] == "a" else int(line[4])))
        if match[3] != ascii_lowercase[len(operations)]:
            return None
        return Problem(question, start, tuple(operations))

    def opening(self, problem: Problem, value: int) -> None:
        return None  # because the first step states the start value

    def read_opening(self, text: str) -> None:
        return None

    def write(self, problem: Problem, index: int, step: Step) -> str:
        return f"{ascii_lowercase[index + 1]}={step.left}{step.operator}{step.right}={step.result}"

    def read(self, text: str) -> Step | None:
        match = _STEP.fullmatch(text)
        return match and Step(int(match[1]), match[2], int(match[3]), int(match[4]))
