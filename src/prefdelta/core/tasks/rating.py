"""Rates a procedural trace by checking it. Mini's rule-based judge does this in place of an LLM.

The judge gets only the question and the trace. It solves the problem itself, aligns the trace's steps with its own, and
counts faults per dimension. This is fair, because no other derivation is valid in these tasks.
"""

import re
from collections import Counter
from dataclasses import dataclass

from prefdelta.core.tasks.families import family_of
from prefdelta.core.tasks.steps import ANSWER_MARK, Family, Step, apply

DIMENSIONS = (
    "factuality",
    "strategy_coherence",
    "step_coherence",
    "computational_precision",
    "signal_to_noise",
)
SCORES = (1, 2, 3, 4, 5)  # from worst to best
_ANSWER = re.compile(re.escape(ANSWER_MARK) + r"(\d{1,9})")


@dataclass(frozen=True, slots=True)
class _TraceParts:
    """The parts of a trace: its opening, its steps in order, its answer, and how many parts are noise.

    The problem may ask for a repeat that leaves the value as it is (`5*1=5;5*1=5`), so it is kept among the steps.
    """

    opening: int | None
    steps: list[Step]
    noise: int
    answer: int | None


def rate(question: str, trace: str) -> dict[str, int] | None:
    """Scores from 1 (worst) to 5 per dimension, or None if no family knows the question."""
    known = family_of(question)
    if known is None:
        return None
    family, problem = known
    expected = problem.steps()
    parts = _take_apart(trace, family)
    faults = _align(expected, parts.steps)

    if parts.opening is not None:
        value = parts.opening
    else:
        value = parts.steps[0].left if parts.steps else problem.start
        faults["strategy_coherence"] += family.opening(problem, value) is not None
    faults["factuality"] += value != problem.start
    for step in parts.steps:
        faults["step_coherence"] += step.left != value
        faults["computational_precision"] += step.result != apply(step.left, step.operator, step.right)
        value = step.result
    if parts.answer is None:
        faults["strategy_coherence"] += 1
    else:
        faults["step_coherence"] += parts.answer != value

    repeats = faults["signal_to_noise"]
    useful = len(parts.steps) - repeats
    scores = {name: _score(1 - faults[name] / len(expected)) for name in DIMENSIONS[:4]}
    scores["signal_to_noise"] = _score(useful / (useful + repeats + parts.noise) if useful else 0.0)
    return scores


def one_step_off(score: int, upwards: bool) -> int:
    """The score beside a score. At 1 and 5 there is only one."""
    if score in (SCORES[0], SCORES[-1]):
        upwards = score == SCORES[0]
    return score + (1 if upwards else -1)


def _score(share: float) -> int:
    """A score from 1 to 5 for the share of a trace that is free of a kind of fault (clipped to 0..1)."""
    return 1 + round(4 * min(1.0, max(0.0, share)))


def _take_apart(trace: str, family: Family) -> _TraceParts:
    steps: list[Step] = []
    opening, noise, answer, last = None, 0, None, None
    for place, part in enumerate(trace.split(";")):
        step = family.read(part)
        if place == 0 and (start := family.read_opening(part)) is not None:
            opening = start
        elif match := _ANSWER.fullmatch(part):
            answer = int(match[1])
        elif step is None or (part == last and step.left != step.result):
            noise += 1
        else:
            steps.append(step)
        last = part
    return _TraceParts(opening, steps, noise, answer)


def _align(expected: list[Step], written: list[Step]) -> Counter[str]:
    """Faults per dimension: the cheapest edits that turn the expected steps into the written ones.

    A changed operand is a fault of factuality. A changed operator, a missing step or an extra step is one of strategy.
    An extra step that repeats the step before it is noise. Of edits with equally many faults, those with most noise.
    """
    repeats = [at > 0 and step == written[at - 1] for at, step in enumerate(written)]
    row = [(0, 0, 0)]  # by number of written steps: faults of strategy, of factuality, and noise
    for repeat in repeats:
        row.append(_with_extra(row[-1], repeat))
    for want in expected:
        above, row = row, [(row[0][0] + 1, 0, 0)]
        for column, (step, repeat) in enumerate(zip(written, repeats, strict=True), start=1):
            strategy, factuality, noise = above[column - 1]
            changed = (strategy + (step.operator != want.operator), factuality + (step.right != want.right), noise)
            strategy, factuality, noise = above[column]
            missing = (strategy + 1, factuality, noise)
            row.append(min(changed, missing, _with_extra(row[-1], repeat), key=_price))
    strategy, factuality, noise = row[-1]
    return Counter(strategy_coherence=strategy, factuality=factuality, signal_to_noise=noise)


def _with_extra(faults: tuple[int, int, int], repeat: bool) -> tuple[int, int, int]:
    strategy, factuality, noise = faults
    return (strategy, factuality, noise + 1) if repeat else (strategy + 1, factuality, noise)


def _price(faults: tuple[int, int, int]) -> tuple[int, int]:
    return sum(faults), -faults[2]
