"""The slope of a dimension's mean sample delta along the generators, with or without what length explains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Pairing
from prefdelta.core.statistics import Estimate, mean_interval
from prefdelta.reporting.claims.arms import generator_delta
from prefdelta.reporting.claims.slopes import slope
from prefdelta.reporting.evidence import Evidence
from prefdelta.reporting.formats import listed, signed


@dataclass(frozen=True, slots=True)
class DeltaSlope:
    title: str
    note: str  # the mean deltas at both ends
    estimate: Estimate  # score points per 10 points of generator delta
    weights: Mapping[str, float]  # of the pairings' mean deltas


def delta_slope(
    evidence: Evidence, pairings: Sequence[Pairing], dimension: str, *, given_length: bool
) -> DeltaSlope | None:
    """The slope over the prompts that all pairings have; None for fewer than three pairings with deltas.

    pairings: of two generators each. given_length: the mean delta that a pair of its length difference has is
    subtracted first, by the slope of delta on length difference within pairings (an analysis of covariance with one
    slope), which is taken as known.
    """
    measured = []
    for pairing in pairings:
        gap, deltas = generator_delta(evidence, pairing), evidence.pairings.by_prompt(pairing, dimension)
        lengths = evidence.pairings.lengths_by_prompt(pairing) if given_length else dict.fromkeys(deltas, 0.0)
        both = {prompt: (deltas[prompt], lengths[prompt]) for prompt in deltas.keys() & lengths.keys()}
        if gap is not None and both:
            measured.append((gap, pairing, both))
    measured.sort(key=lambda item: item[0])
    weights = slope([gap for gap, _, _ in measured])
    prompts = sorted(set.intersection(*(set(both) for _, _, both in measured))) if measured else []
    if weights is None or not prompts:
        return None
    rate = _rate([both for _, _, both in measured], prompts) if given_length else 0.0
    values = [
        round(
            sum(
                weight * (both[prompt][0] - rate * both[prompt][1])
                for weight, (_, _, both) in zip(weights, measured, strict=True)
            ),
            12,
        )
        for prompt in prompts
    ]
    means = [sum(both[prompt][0] for prompt in prompts) / len(prompts) for _, _, both in measured]
    (_, first, _), (_, last, _) = measured[0], measured[-1]
    ends = f"{first} {signed(means[0])} to {last} {signed(means[-1])}"
    names = listed(pairing for _, pairing, _ in measured)
    given = ", given the difference in length," if given_length else ""
    return DeltaSlope(
        f"slope of the mean delta in {dimension}{given} along {names}, on the prompts of all",
        ends,
        mean_interval(values, max(map(abs, weights))),
        {str(pairing): weight for weight, (_, pairing, _) in zip(weights, measured, strict=True)},
    )


def _rate(measured: Sequence[Mapping[str, tuple[float, float]]], prompts: Sequence[str]) -> float:
    """The slope of delta on length difference within pairings: score points per unit of length."""
    import numpy as np

    table = np.array(
        [[both[prompt] for prompt in prompts] for both in measured]
    )  # pairings x prompts x (delta, length)
    centred = table - table.mean(axis=1, keepdims=True)
    spread = float((centred[..., 1] ** 2).sum())
    return float((centred[..., 0] * centred[..., 1]).sum()) / spread if spread else 0.0
