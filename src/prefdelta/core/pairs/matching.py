"""Matching: for each of some pairs another one that is like it, and how alike the two sets come out.

One to one, without replacement, the nearest two first (Stuart 2010, "Matching methods for causal inference", section
3.1; the order "closest" of MatchIt). Near is the Euclidean distance of covariates in their standard deviations.
How alike the sets are is told by standardised mean differences (Rosenbaum & Rubin 1985; Austin 2009, "Balance
diagnostics for comparing the distribution of baseline covariates").
"""

import math
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from typing import TYPE_CHECKING

from prefdelta.core.answers.accuracy import COUNTS_AS_WRONG
from prefdelta.core.pairs.lengths import LENGTH_COLUMNS, length_column
from prefdelta.records.details.filter import CovariateBalance, MatchQuality

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Column = NDArray[np.float64]  # a value per pair
    Places = NDArray[np.int64]  # of pairs in such columns

LENGTH, CHOSEN_RIGHT, REJECTED_RIGHT, PASS_RATE = "length", "chosen_right", "rejected_right", "pass_rate"

# What a matched selection has in common with the top set -> the covariates that say so.
MATCHED_ON: Mapping[str, Sequence[str]] = {
    "length": [LENGTH],
    "correctness": [CHOSEN_RIGHT, REJECTED_RIGHT],
    "difficulty": [PASS_RATE],
    "all": [LENGTH, CHOSEN_RIGHT, REJECTED_RIGHT, PASS_RATE],
}
CALIPER = 0.25  # standard deviations (Rosenbaum & Rubin 1985): a pair that differs by more is far from its match

COVARIATE_COLUMNS = ("prompt_id", "chosen_correct", "rejected_correct", *LENGTH_COLUMNS)  # of pairs


def covariates(pairs: "pa.Table", pass_rates: Mapping[str, float]) -> "tuple[dict[str, Column], str]":
    """(The covariates of pairs of one pairing, each with a value per pair or NaN; the unit of length).

    pairs: the COVARIATE_COLUMNS. pass_rates: prompt_id -> share of the rejected generator's traces that are right, from
    0 to 1.
    """
    import numpy as np

    lengths, unit = length_column(pairs)
    right = (pairs.column(f"{side}_correct").cast("int8").cast("float64") for side in ("chosen", "rejected"))
    known = {LENGTH: lengths, **dict(zip((CHOSEN_RIGHT, REJECTED_RIGHT), map(np.asarray, right), strict=True))}
    known[PASS_RATE] = np.array([pass_rates.get(name, np.nan) for name in pairs.column("prompt_id").to_pylist()], float)
    return known, unit


def pass_rates(grades: "pa.Table") -> dict[str, float]:
    """prompt_id -> share of a generator's traces that are right, for the prompts of which some trace counts.

    As in every accuracy, a trace that was truncated or has no answer counts as wrong.
    grades: prompt_id, correct and failure of Grade.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    wrong = pc.is_in(grades.column("failure"), value_set=pa.array(sorted(COUNTS_AS_WRONG)))
    right = pc.if_else(wrong, pc.fill_null(grades.column("correct"), False), grades.column("correct"))
    of_prompts = grades.append_column("right", right).group_by("prompt_id").aggregate([("right", "mean")])
    rates = zip(*(of_prompts.column(name).to_pylist() for name in ("prompt_id", "right_mean")), strict=True)
    return {prompt_id: rate for prompt_id, rate in rates if rate is not None}


def nearest_neighbours(columns: "Sequence[Column]", first: "Places", others: "Places") -> "Places":
    """For each pair of `first` one of `others`, each at most once: of all that are left, the two that are nearest.

    columns: the values of each covariate. A pair that lacks one (NaN) counts as if it had the mean. first, others: the
    places of pairs in these. There are at least as many others as first pairs. Of equally near ones, those that come
    first are matched. Returns the numbers of the matches in `others`.
    """
    import numpy as np

    own, theirs, weights = [], [], []
    for column in columns:
        known = column[np.concatenate([first, others])]
        known = known[~np.isnan(known)].tolist()
        filled, variance = np.where(np.isnan(column), _mean(known), column), _variance(known)
        weights.append(1 / variance if variance > 0 else 0.0)
        own.append(filled[first])
        theirs.append(filled[others])
    closed = np.zeros(len(others))  # infinite for those that are matched

    def nearest(place: int) -> tuple[float, int, int]:
        """The squared distance of a first pair from the nearest that is left, and the places of both."""
        squares = closed.copy()
        for values, value, weight in zip(theirs, own, weights, strict=True):
            squares += (values - value[place]) ** 2 * weight
        at = int(squares.argmin())
        return float(squares[at]), place, at

    waiting = [nearest(place) for place in range(len(first))]
    heapify(waiting)
    matched = np.zeros(len(first), np.int64)
    while waiting:
        _, place, at = waiting[0]
        if closed[at]:
            heapreplace(waiting, nearest(place))
        else:
            heappop(waiting)
            closed[at] = np.inf
            matched[place] = at
    return matched


def match_quality(
    known: "Mapping[str, Column]", unit: str, on: Sequence[str], top: "Places", others: "Places", matched: "Places"
) -> MatchQuality:
    """How alike a top set and the pairs that were matched to it are.

    known, unit: what `covariates` gives. on: the covariates that were matched. matched: for each pair of the top set
    its match. others: all pairs outside of the top set, of which the matched ones are some.
    """
    import numpy as np

    gaps = np.array([abs(known[name][top] - known[name][matched]) / (_deviation(known[name]) or 1.0) for name in on])
    lines = []
    for name, column in known.items():
        sides = [side[~np.isnan(side)].tolist() for side in (column[top], column[matched], column[others])]
        if all(sides):
            own, its, rest = map(_mean, sides)
            # One unit for both differences, so that they tell how the means moved (Stuart 2010, section 3.2).
            deviation = math.sqrt((_variance(sides[0]) + _variance(sides[2])) / 2)
            before, after = (_standardised(own - mean, deviation) for mean in (rest, its))
            lines.append(CovariateBalance(name, name in on, own, its, rest, before, after))
    return MatchQuality(
        k=len(top),
        others=len(others),
        alike=int((gaps == 0).all(axis=0).sum()),  # unless something is not known, which is NaN
        far=int((gaps > CALIPER).any(axis=0).sum()),
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


def _deviation(column: "Column") -> float:
    """The standard deviation of the known values."""
    import numpy as np

    return math.sqrt(_variance(column[~np.isnan(column)].tolist()))
