"""The kinds of tests that claims name: each turns arms into a few numbers with intervals, paired by item."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.paper_claims import (
    Bend,
    DeltaTrend,
    Difference,
    Direction,
    Gains,
    Steadiness,
    Test,
    Trend,
)
from prefdelta.core.statistics import NOTHING, Estimate, mean_interval, scaled
from prefdelta.reporting.arms import Repeats, families, short_labels
from prefdelta.reporting.claims.arms import (
    by_pairing,
    by_size,
    matching,
    nearest_k,
    places_to_measure,
    shared_seeds,
)
from prefdelta.reporting.claims.slopes import bend, slope
from prefdelta.reporting.evidence import Evidence
from prefdelta.reporting.formats import signed
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.gains import POINTS, mean_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PER_TEN = 10.0


@dataclass(frozen=True, slots=True)
class ClaimNumber:
    """A number whose sign a claim predicts."""

    title: str  # which arms, over which benchmarks
    estimate: Estimate  # in the unit of its test
    direction: Direction
    seeds: Sequence[int] = ()  # training seeds; empty: no arms are involved
    by_seed: Mapping[int, float] = field(default_factory=dict)  # the number from each seed alone; empty for one seed
    margin: float = 0.0
    unshared: Sequence[int] = ()  # seeds that some of the arms lack, so they are not in `by_seed`


def rule(test: Test) -> str:
    """The condition that supports the claim, with the unit."""
    match test:
        case Difference(margin=margin) if margin:
            return f"points, > −{margin:g}"
        case Trend() | Bend():
            unit = "points per 10 points of generator-level delta"
        case DeltaTrend():
            unit = "score points per 10 points of generator-level delta"
        case _:
            unit = "points"
    down = isinstance(test, Steadiness) or getattr(test, "direction", "up") == "down"
    return f"{unit}, {'<' if down else '>'} 0"


def measure(test: Test, evidence: Evidence) -> list[ClaimNumber]:
    """The numbers of a test; empty if the study lacks the arms for it."""
    experiments = [evidence.experiments[name] for name in test.experiments if name in evidence.experiments]
    arms = list(dict.fromkeys(arm for experiment in experiments for arm in experiment.arms))
    match test:
        case Trend():
            return _trend(test, evidence, arms, slope)
        case Bend():
            return _trend(test, evidence, arms, bend)
        case Gains():
            return _gains(test, evidence, arms)
        case Difference():
            return _difference(test, evidence, arms)
        case Steadiness():
            return _steadiness(test, evidence, arms)
        case DeltaTrend():
            return _delta_trend(test, evidence, arms)


def _trend(
    test: Trend | Bend,
    evidence: Evidence,
    arms: Sequence[Arm],
    weights_of: Callable[[Sequence[float]], list[float] | None],
) -> list[ClaimNumber]:
    """One number per series of arms that differ only in their pairing, and per group of benchmarks.

    Generators whose traces a data set ships are left out: they differ in more than their capability.
    """
    series: dict[tuple[str, str, str], list[Repeats]] = {}
    for repeats in families(arm for arm in arms if not evidence.is_confounded(arm.pairing)):
        first = repeats[0]
        series.setdefault((first.policy, first.selection, first.recipe), []).append(repeats)
    numbers = []
    for members in series.values():
        gaps = [(gap, repeats) for repeats in members if (gap := _gap(evidence, repeats[0].pairing)) is not None]
        gaps.sort(key=lambda item: item[0])
        weights = weights_of([POINTS / _PER_TEN * gap for gap, _ in gaps])
        if weights is None:
            continue
        weighted = [(repeats, weight) for (_, repeats), weight in zip(gaps, weights, strict=True)]
        along = ", ".join(repeats[0].pairing.chosen for repeats, _ in weighted)
        for title, evaluations in places_to_measure(evidence, test.over):
            numbers.append(_weighted_difference(evidence, f"{title}: {along}", weighted, evaluations, test.direction))
    return numbers


def _gap(evidence: Evidence, pairing: Pairing) -> float | None:
    """The generator delta of a pairing: a share."""
    gap = evidence.grades.gap(pairing)
    return None if gap is None else gap.value


def _gains(test: Gains, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    members = families(matching(arms, test.arms, None))
    numbers = []
    for title, evaluations in places_to_measure(evidence, test.over):
        for label, repeats in zip(short_labels(members), members, strict=True):
            name, own, base = f"{title}: {label}", [(repeats, 1.0)], repeats[0].base
            numbers.append(_weighted_difference(evidence, name, own, evaluations, test.direction, base=base))
    return numbers


def _difference(test: Difference, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    """One number per policy and pairing. Random draws of one size are repeats; selections have equal weights."""
    numbers = []
    for name, own in by_pairing(arms).items():
        k = nearest_k(evidence, own, test.share) if test.share is not None else None
        if test.share is not None and k is None:
            continue
        left, right = (families(matching(own, side, k), merge_draws=True) for side in (test.left, test.right))
        if not left or not right:
            continue
        weighted = [(repeats, 1 / len(left)) for repeats in left] + [(repeats, -1 / len(right)) for repeats in right]
        label = f"{name}, k = {k:,}" if k is not None else name
        if evidence.is_confounded(own[0].pairing):
            label += " (traces from a data set)"
        for title, evaluations in places_to_measure(evidence, test.over):
            numbers.append(
                _weighted_difference(evidence, f"{title}: {label}", weighted, evaluations, "up", margin=test.margin)
            )
    return numbers


def _steadiness(test: Steadiness, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    """The difference of the sides' mean spreads over the sizes that all selections share, if at least three."""
    numbers = []
    for name, own in by_pairing(arms).items():
        left, right = (by_size(matching(own, side, None)) for side in (test.left, test.right))
        sides = [*left.values(), *right.values()]
        ks = sorted(set.intersection(*(set(side) for side in sides))) if left and right else []
        if len(ks) < 3:
            continue
        sums = [mean_weights(side[k]) for side in sides for k in ks]
        shape = (len(sides), len(ks))

        def spread(
            means: "NDArray[np.float64]", shape: tuple[int, int] = shape, n: int = len(left)
        ) -> "NDArray[np.float64]":
            deviations: NDArray[np.float64] = means.reshape(*means.shape[:-1], *shape).std(axis=-1, ddof=1)  # by side
            difference: NDArray[np.float64] = deviations[..., :n].mean(axis=-1) - deviations[..., n:].mean(axis=-1)
            return difference

        seeds, unshared = shared_seeds([side[k] for side in sides for k in ks])
        sizes = ", ".join(f"{k:,}" for k in ks)
        for title, evaluations in places_to_measure(evidence, test.over):
            estimate = scaled(evidence.scores.of_accuracies(sums, evaluations, spread, "steadiness"), POINTS)
            numbers.append(ClaimNumber(f"{title}: {name}, k = {sizes}", estimate, "down", seeds, unshared=unshared))
    return numbers


def _delta_trend(test: DeltaTrend, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    """The slope of the sample delta along the generator delta, over the prompts that all pairings have."""
    measured: list[tuple[float, Pairing, Mapping[str, float]]] = []
    for pairing in dict.fromkeys(arm.pairing for arm in arms):
        gap = _gap(evidence, pairing)
        deltas = evidence.pairings.by_prompt(pairing, test.dimension)
        if gap is not None and deltas and not evidence.is_confounded(pairing):
            measured.append((gap, pairing, deltas))
    measured.sort(key=lambda item: item[0])
    weights = slope([POINTS / _PER_TEN * gap for gap, _, _ in measured])
    if weights is None:
        return []
    prompts = sorted(set.intersection(*(set(deltas) for _, _, deltas in measured)))
    values = [
        round(sum(weight * deltas[prompt] for weight, (_, _, deltas) in zip(weights, measured, strict=True)), 12)
        for prompt in prompts
    ]
    means = [sum(deltas[prompt] for prompt in prompts) / len(prompts) if prompts else None for _, _, deltas in measured]
    pairings = [str(pairing) for _, pairing, _ in measured]
    estimate = mean_interval(values)
    ends = f"{pairings[0]} {signed(means[0])} to {pairings[-1]} {signed(means[-1])}"
    return [ClaimNumber(f"{test.dimension}, on the prompts of all pairings: {ends}", estimate, test.direction)]


def _weighted_difference(
    evidence: Evidence,
    title: str,
    weighted: Sequence[tuple[Repeats, float]],
    evaluations: Sequence[Evaluation],
    direction: Direction,
    *,
    base: Base | None = None,
    margin: float = 0.0,
) -> ClaimNumber:
    """A weighted sum of families, minus the base; and the same from each training seed that all families have."""

    def estimate(members: Sequence[tuple[Repeats, float]]) -> Estimate:
        total: dict[Arm | Base, float] = {} if base is None else {base: -1.0}
        for repeats, weight in members:
            for arm, share in mean_weights(repeats).items():
                total[arm] = total.get(arm, 0.0) + weight * share
        return scaled(evidence.scores.weighted_difference(total, evaluations), POINTS) if evaluations else NOTHING

    seeds, unshared = shared_seeds([repeats for repeats, _ in weighted])
    by_seed = {}
    for seed in seeds if len(seeds) > 1 else []:
        alone = [(tuple(arm for arm in repeats if arm.seed == seed), weight) for repeats, weight in weighted]
        value = estimate(alone).value if all(repeats for repeats, _ in alone) else None
        if value is not None:
            by_seed[seed] = value
    if len(by_seed) < 2:
        by_seed = {}
    return ClaimNumber(title, estimate(weighted), direction, seeds, by_seed, margin, unshared)
