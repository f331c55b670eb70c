"""Planted answers of policies to benchmarks."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Base
from prefdelta.core.ids import seed_of
from prefdelta.reporting.arms import families, selection_of, without_draw
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.shape import StudyShape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NODES = 401  # of the normal distribution of difficulty over all problems that there could be
_NATS = 0.3  # mean token entropy of untrained policies; nothing depends on its size
_LOWEST = 0.002  # no accuracy is planted nearer to 0 or 1


def run_deviations(
    arms: Sequence[Arm], assumptions: Assumptions, generator: "np.random.Generator"
) -> "NDArray[np.float64]":
    """The luck of each arm, in points: of its training seed, of its random draw of pairs and of its draw of traces.

    Arms of a family share the luck of a draw. That of traces is a part of the luck of a run where the study draws them
    several times; a share of it is that of the chosen traces, which families have in common. Where it draws them once,
    its numbers are about these traces.
    """
    import numpy as np

    draws_traces = any(len({arm.draw for arm in repeats}) > 1 for repeats in families(arms))
    trace_share = assumptions.trace_share if draws_traces else 0.0
    own = np.sqrt(1 - trace_share) * generator.standard_normal(len(arms))
    shared: dict[object, float] = {}

    def luck(*draw: object) -> float:
        return shared.setdefault(draw, float(generator.standard_normal()))

    for place, arm in enumerate(arms):
        if selection_of(arm).kind == "random":
            own[place] += np.sqrt(assumptions.draw_share) * luck(arm.policy, arm.pairing, arm.selection, arm.recipe)
        if trace_share:
            common = trace_share * assumptions.shared_share
            family = luck(arm.policy, arm.pairing, without_draw(arm), arm.recipe, "traces")
            own[place] += np.sqrt(trace_share - common) * family
            own[place] += np.sqrt(common) * luck(arm.policy, arm.pairing.chosen, "chosen")
    return np.asarray(assumptions.run_sd * own)


def plant_answers(
    shape: StudyShape, assumptions: Assumptions, gains: "Mapping[bool, NDArray[np.float64]]", *what: object
) -> dict[Evaluation, AnswerMatrix]:
    """Answers to every benchmark in every group. gains: in domain or not -> true gain of each arm, points.

    A problem's logit of success is normal. Training adds a constant, so that the mean over all problems that there
    could be gains what it should, and a change of the problem's own, which all trained arms share. Each answer is a
    trial of its own. The entropy of an untrained policy is in proportion to its temperature, and what it gains by a
    lower one to the entropy that it loses; training takes entropy in proportion to what it gains.
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
        largest = assumptions.gain_in_domain if label.in_domain else assumptions.gain_out_of_domain
        fall = assumptions.entropy_fall * gains[label.in_domain][own] / (largest or 1.0)
        spread, effect = assumptions.difficulty_spread, assumptions.effect_spread
        bases = shape.bases_of(arms, evaluation.group)
        usual = shape.groups[evaluation.group].temperature
        kept = np.array([1.0 if one.temperature is None else one.temperature / usual for one in bases])
        centres = _shift(base + assumptions.sharpened_gain * largest / 100 * (1 - kept), spread)
        shifts = _shift(targets, float(np.hypot(spread, effect)))
        difficulty = spread * generator.standard_normal(items, dtype=np.float32)
        trained = difficulty + effect * generator.standard_normal(items, dtype=np.float32)
        logits = np.empty((len(bases) + len(arms), items), dtype=np.float32)
        logits[: len(bases)] = centres[:, None].astype(np.float32) + difficulty
        logits[len(bases) :] = shifts[:, None].astype(np.float32) + trained
        shares = (1 / (1 + np.exp(-logits))).astype(np.float64)
        draws = np.full(len(shares), samples, dtype=np.int64)
        draws[: len(bases)] *= shape.base_times[evaluation.group]
        counts = np.broadcast_to(draws[:, None], shares.shape)
        if samples == 1:
            means = (generator.random(shares.shape, dtype=np.float32) < shares).astype(np.float64)
            means[: len(bases)] = _solved(counts[: len(bases)], shares[: len(bases)], generator)
        else:
            means = _solved(counts, shares, generator)
        answers[evaluation] = AnswerMatrix(
            rows=_rows(bases, arms),
            means=means,
            counted=counts,
            samples=counts,
            truncated=np.zeros(len(means), dtype=np.int64),
            problems=None,
            entropies=_NATS * np.concatenate([kept, 1 - fall]),
        )
    return answers


def _rows(bases: Sequence[Base], arms: Sequence[Arm]) -> dict[str, int]:
    return {str(name): number for number, name in enumerate([*bases, *arms])}


def _solved(
    counts: "NDArray[np.int64]", shares: "NDArray[np.float64]", generator: "np.random.Generator"
) -> "NDArray[np.float64]":
    """Shares of so many answers that are right, each right with its chance."""
    import numpy as np

    solved: NDArray[np.float64] = generator.binomial(counts, shares) / counts
    return solved


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
