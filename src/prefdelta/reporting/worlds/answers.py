"""Planted answers of policies to benchmarks."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm
from prefdelta.core.ids import seed_of
from prefdelta.reporting.arms import selection_of
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.shape import StudyShape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NODES = 401  # of the normal distribution of difficulty over all problems that there could be
_LOWEST = 0.002  # no accuracy is planted nearer to 0 or 1


def run_deviations(
    arms: Sequence[Arm], assumptions: Assumptions, generator: "np.random.Generator"
) -> "NDArray[np.float64]":
    """The luck of each arm's run, in points: for random draws a share of its variance belongs to the draw."""
    import numpy as np

    own = generator.standard_normal(len(arms))
    drawn: dict[object, float] = {}
    for place, arm in enumerate(arms):
        if selection_of(arm).kind == "random":
            key = (arm.policy, arm.pairing, arm.selection, arm.recipe)
            luck = drawn.setdefault(key, float(generator.standard_normal()))
            share = assumptions.draw_share
            own[place] = np.sqrt(share) * luck + np.sqrt(1 - share) * own[place]
    return assumptions.run_sd * own


def plant_answers(
    shape: StudyShape, assumptions: Assumptions, gains: "Mapping[bool, NDArray[np.float64]]", *what: object
) -> dict[Evaluation, AnswerMatrix]:
    """Answers to every benchmark in every group. gains: in domain or not -> true gain of each arm, points.

    A problem's logit of success is normal. Training adds a constant, so that the mean over all problems that there
    could be gains what it should, and a change of the problem's own, which all trained arms share. Each answer is a
    trial of its own.
    """
    import numpy as np

    generator = np.random.default_rng(seed_of("answers", shape.seed, *what))
    luck = run_deviations(shape.arms, assumptions, generator)
    place = {arm: number for number, arm in enumerate(shape.arms)}
    answers = {}
    for evaluation, samples in shape.samples.items():
        label, items = shape.benchmarks[evaluation.benchmark], shape.items[evaluation.benchmark]
        base = assumptions.base_accuracy[evaluation.benchmark]
        arms = shape.evaluated[evaluation.group]
        own = [place[arm] for arm in arms]
        targets = base + (gains[label.in_domain][own] + luck[own]) / 100
        spread, effect = assumptions.difficulty_spread, assumptions.effect_spread
        bases = shape.policies(arms)
        centre = _shift(np.array([base]), spread)
        shifts = _shift(targets, float(np.hypot(spread, effect)))
        difficulty = spread * generator.standard_normal(items, dtype=np.float32)
        trained = difficulty + effect * generator.standard_normal(items, dtype=np.float32)
        logits = np.empty((len(bases) + len(arms), items), dtype=np.float32)
        logits[: len(bases)] = centre[0] + difficulty
        logits[len(bases) :] = shifts[:, None].astype(np.float32) + trained
        shares = 1 / (1 + np.exp(-logits))
        if samples == 1:
            means = (generator.random(shares.shape, dtype=np.float32) < shares).astype(np.float64)
        else:
            means = generator.binomial(samples, shares.astype(np.float64)) / samples
        counts = np.broadcast_to(np.int64(samples), means.shape)
        answers[evaluation] = AnswerMatrix(
            rows={str(name): number for number, name in enumerate([*bases, *arms])},
            means=means,
            counted=counts,
            samples=counts,
            truncated=np.zeros(len(means), dtype=np.int64),
            problems=None,
        )
    return answers


def _shift(accuracy: "NDArray[np.float64]", spread: float) -> "NDArray[np.float64]":
    """The mean of normal logits of this spread whose mean probability is the accuracy."""
    import numpy as np

    grid, reached = _reached(round(spread, 6))
    return np.interp(np.clip(accuracy, _LOWEST, 1 - _LOWEST), reached, grid)


@lru_cache(maxsize=8)
def _reached(spread: float) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """(means of logits, mean probability at each), rising."""
    import numpy as np

    nodes = np.array([NormalDist().inv_cdf((place + 0.5) / _NODES) for place in range(_NODES)]) * spread
    grid = np.linspace(-12, 12, 481)
    return grid, (1 / (1 + np.exp(-(grid[:, None] + nodes)))).mean(axis=1)
