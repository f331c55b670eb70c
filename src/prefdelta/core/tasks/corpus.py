"""Corruptible traces: what the models of the ladder learn from. One kind of error per rubric dimension."""

from prefdelta.core.settings import Settings
from prefdelta.core.tasks.misconceptions import NONE, Context, Misconceptions
from prefdelta.core.tasks.steps import (
    ANSWER_MARK,
    FILLER,
    OPERATORS,
    Family,
    Problem,
    RandomSource,
    Step,
    apply,
    choose,
)


class ErrorRates(Settings):
    """How often a step goes wrong, per step and kind of error (0 to 1)."""

    factuality: float = 0.0
    """Probability that an operand is copied wrongly from the problem."""

    strategy_coherence: float = 0.0
    """Probability that a step is left out or does another operation."""

    step_coherence: float = 0.0
    """Probability that a step does not start from the result of the step before it."""

    computational_precision: float = 0.0
    """Probability that a step's result is miscomputed."""

    signal_to_noise: float = 0.0
    """Probability that filler follows a step, or that the step is written twice."""


def corrupted_trace(
    family: Family,
    problem: Problem,
    rates: ErrorRates,
    random: RandomSource,
    misconceptions: Misconceptions = NONE,
) -> str:
    """A trace with errors drawn by `rates`, and by `misconceptions` where no random error of their dimension happened.

    Errors propagate: later steps use the values as written.
    """
    value = problem.start
    parts: list[str] = []
    if family.opening(problem, value) is not None:
        value = _other(value, random) if random.random() < rates.factuality else value
        parts.append(str(family.opening(problem, value)))
    for index, (operator, operand) in enumerate(problem.operations):
        context = Context(value, operator, operand)
        if random.random() < rates.strategy_coherence:
            if random.random() < 0.5 and len(problem.operations) > 1:
                continue
            operator = choose(random, OPERATORS.replace(operator, ""))
        else:
            operator = misconceptions.operator(context, random)
        if random.random() < rates.factuality:
            right = _other(operand, random)
        else:
            right = misconceptions.operand(context, random)
        left = value
        if index > 0:
            wrong = random.random() < rates.step_coherence
            left = _other(value, random) if wrong else misconceptions.left(context, random)
        result = apply(left, operator, right)
        if random.random() < rates.computational_precision:
            result = _other(result, random)
        else:
            result = misconceptions.result(result, context, random)
        text = family.write(problem, index, Step(left, operator, right, result))
        parts.append(text)
        if random.random() < rates.signal_to_noise:
            parts.append(text if random.random() < 0.5 else FILLER)
        value = result
    return ";".join([*parts, f"{ANSWER_MARK}{value}"])


def _other(digit: int, random: RandomSource) -> int:
    """Another digit, all nine equally likely."""
    return (digit + random.randint(1, 9)) % 10
