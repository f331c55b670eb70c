"""Intervals: how sure a number is. Every number of the report is an `Estimate`."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEVEL = 0.95
_Z = 1.959963984540054  # the normal distribution's quantile at (1 + LEVEL) / 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95% interval, in the unit of the data. Without data the value is None, never 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int  # number of independent observations behind it


NOTHING = Estimate(None, None, None, 0)


def mean_of_known(values: Iterable[int | None]) -> float | None:
    """The mean of the values that are not None; None if all are."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def wilson_interval(successes: int, n: int) -> Estimate:
    """A share (0 to 1) of n independent trials with Wilson's score interval (Wilson 1927, as in scipy).

    Unlike the normal approximation it stays inside [0, 1] and keeps its coverage near both ends.
    """
    if n == 0:
        return NOTHING
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(confidence_level=LEVEL, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), n)


def mean_interval(values: Sequence[float], resamples: int, seed: int) -> Estimate:
    """The mean of n values with its percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13).

    For a paired comparison the values are the differences per item. One value has a mean but no interval. The
    estimate depends on values, resamples and seed, not on the order of the values.
    """
    if len(values) == 0:
        return NOTHING
    import numpy as np

    # To draw n values with replacement, draw how often each distinct value occurs: multinomial counts. There are few
    # distinct values (-1, 0, 1), so this is about n times less work.
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    n = int(counts.sum())
    mean = float(counts @ distinct) / n
    if n == 1:
        return Estimate(mean, None, None, n)
    draws = np.random.default_rng(seed).multinomial(n, counts / n, size=resamples)  # resamples x distinct
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws @ distinct / n, [tail, 1 - tail])
    return Estimate(mean, float(low), float(high), n)


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """Spearman's rank correlation of paired values, with the interval of Bonett and Wright (2000) on Fisher's scale.

    It has no value if one side is constant, and no interval for fewer than 4 pairs.
    """
    n = len(x)
    if n < 2 or len(set(x)) < 2 or len(set(y)) < 2:
        return Estimate(None, None, None, n)
    from scipy.stats import spearmanr

    rho = float(spearmanr(x, y).statistic)
    if n < 4 or abs(rho) > 1 - 1e-12:  # Fisher's scale is infinite at -1 and 1
        return Estimate(rho, None, None, n)
    half = _Z * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return Estimate(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n)
