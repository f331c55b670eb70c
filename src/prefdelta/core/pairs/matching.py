"""Matching: for each of some pairs another one that is like it, and how alike the two sets come out.

One to one, without replacement, the nearest two first (Stuart 2010, "Matching methods for causal inference", section
3.1; the order "closest" of MatchIt). Near is the Euclidean distance of covariates in their standard deviations.
How alike the sets are is told by standardised mean differences (Rosenbaum & Rubin 1985; Austin 2009, "Balance
diagnostics for comparing the distribution of baseline covariates").
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heapreplace

from prefdelta.core.answers.accuracy import outcome
from prefdelta.core.pairs.lengths import length_differences
from prefdelta.records.details.filter import CovariateBalance, MatchQuality
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair

LENGTH, CHOSEN_RIGHT, REJECTED_RIGHT, PASS_RATE = "length", "chosen_right", "rejected_right", "pass_rate"

# What a matched selection has in common with the top set -> the covariates that say so.
MATCHED_ON: Mapping[str, Sequence[str]] = {
    "length": [LENGTH],
    "correctness": [CHOSEN_RIGHT, REJECTED_RIGHT],
    "difficulty": [PASS_RATE],
    "all": [LENGTH, CHOSEN_RIGHT, REJECTED_RIGHT, PASS_RATE],
}
CALIPER = 0.25  # standard deviations (Rosenbaum & Rubin 1985): a pair that differs by more is far from its match

Covariates = Mapping[str, Mapping[str, float]]  # covariate -> pair_id -> value, of the pairs for which it is known


def covariates(pairs: Sequence[Pair], pass_rates: Mapping[str, float]) -> tuple[Covariates, str]:
    """(The covariates of pairs of one pairing, the unit of length).

    pass_rates: prompt_id -> share of the rejected generator's traces that are right, from 0 to 1.
    """
    differences, unit = length_differences(pairs)
    known: dict[str, dict[str, float]] = {
        LENGTH: {pair_id: float(difference) for pair_id, difference in differences.items()},
        CHOSEN_RIGHT: {pair.pair_id: float(pair.chosen_correct) for pair in pairs if pair.chosen_correct is not None},
        REJECTED_RIGHT: {
            pair.pair_id: float(pair.rejected_correct) for pair in pairs if pair.rejected_correct is not None
        },
        PASS_RATE: {pair.pair_id: pass_rates[pair.prompt_id] for pair in pairs if pair.prompt_id in pass_rates},
    }
    return known, unit


def pass_rates(grades: Iterable[Grade]) -> dict[str, float]:
    """prompt_id -> share of a generator's traces that are right, for the prompts of which some trace counts.

    As in every accuracy, a trace that was truncated or has no answer counts as wrong.
    """
    outcomes: dict[str, list[int]] = {}
    for grade in grades:
        if (value := outcome(grade)) is not None:
            outcomes.setdefault(grade.prompt_id, []).append(value)
    return {prompt_id: sum(values) / len(values) for prompt_id, values in outcomes.items()}


def nearest_neighbours(
    columns: Sequence[Mapping[str, float]], first: Sequence[str], others: Sequence[str]
) -> list[str]:
    """For each pair of `first` one of `others`, each at most once: of all that are left, the two that are nearest.

    columns: the values of each covariate, by pair_id. A pair that lacks one counts as if it had the mean. There are at
    least as many others as first pairs. Of equally near ones, those that come first are matched.
    """
    import numpy as np

    own, theirs = np.zeros((len(columns), len(first))), np.zeros((len(columns), len(others)))
    weights = []
    for place, column in enumerate(columns):
        known = [column[pair_id] for pair_id in (*first, *others) if pair_id in column]
        mean, variance = _mean(known), _variance(known)
        weights.append(1 / variance if variance > 0 else 0.0)
        own[place] = [column.get(pair_id, mean) for pair_id in first]
        theirs[place] = [column.get(pair_id, mean) for pair_id in others]
    closed = np.zeros(len(others))  # infinite for those that are matched

    def nearest(place: int) -> tuple[float, int, int]:
        """The squared distance of a first pair from the nearest that is left, and the places of both."""
        squares = closed.copy()
        for values, value, weight in zip(theirs, own[:, place], weights, strict=True):
            squares += (values - value) ** 2 * weight
        at = int(squares.argmin())
        return float(squares[at]), place, at

    waiting = [nearest(place) for place in range(len(first))]
    heapify(waiting)
    matched: dict[int, str] = {}  # by the place of the first pair
    while waiting:
        _, place, at = waiting[0]
        if closed[at]:
            heapreplace(waiting, nearest(place))
        else:
            heappop(waiting)
            closed[at] = np.inf
            matched[place] = others[at]
    return [matched[place] for place in range(len(first))]


def match_quality(
    known: Covariates, unit: str, on: Sequence[str], top: Sequence[str], matched: Sequence[str], others: Sequence[str]
) -> MatchQuality:
    """How alike a top set and the pairs that were matched to it are.

    on: the covariates that were matched. matched: for each pair of the top set its match. others: all pairs outside of
    the top set, of which the matched ones are some.
    """
    gaps = [
        [
            abs(known[name][first] - known[name][second]) / (_deviation(known[name].values()) or 1.0)
            for name in on
            if first in known[name] and second in known[name]
        ]
        for first, second in zip(top, matched, strict=True)
    ]
    lines = []
    for name, column in known.items():
        sides = [[column[pair_id] for pair_id in side if pair_id in column] for side in (top, matched, others)]
        if all(sides):
            own, its, rest = map(_mean, sides)
            # One unit for both differences, so that they tell how the means moved (Stuart 2010, section 3.2).
            deviation = math.sqrt((_variance(sides[0]) + _variance(sides[2])) / 2)
            before, after = (_standardised(own - mean, deviation) for mean in (rest, its))
            lines.append(CovariateBalance(name, name in on, own, its, rest, before, after))
    return MatchQuality(
        k=len(top),
        others=len(others),
        alike=sum(len(own) == len(on) and not any(own) for own in gaps),  # unless something is not known
        far=sum(any(gap > CALIPER for gap in own) for own in gaps),
        unit=unit,
        balance=lines,
    )


def _standardised(difference: float, deviation: float) -> float | None:
    """A difference in standard deviations; None if there is one between sets that do not vary."""
    if deviation > 0:
        return difference / deviation
    return None if difference else 0.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _variance(values: Sequence[float]) -> float:
    """The mean squared distance from the mean."""
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values) / len(values) if values else 0.0


def _deviation(values: Iterable[float]) -> float:
    return math.sqrt(_variance(list(values)))
