"""Intervals: how sure a number is. Every number of the report is an `Estimate`.

A number rests on several sources of variance: the items of a benchmark, and the runs of a training. Each is a
`Variance`; `t_interval` adds them up, with the degrees of freedom that Satterthwaite (1946) gives to such a sum. For
sums of means this is what resampling of items and runs tends to, in closed form; `reporting.numbers.bootstrap` draws
the samples for numbers that are no sums.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.95
POWER = 0.8
FEW = 25  # with fewer observations that differ, a normal approximation is too sure of itself
_TAIL = (1 - LEVEL) / 2
_Z = 1.959963984540054  # the normal distribution's quantile at (1 + LEVEL) / 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95% interval, in the unit of the data. Without data the value is None, never 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int  # number of independent observations behind it
    se: float | None = None  # standard error, in the unit of the data; None: the interval has another form
    df: float | None = None  # degrees of freedom of the interval
    # Of these, the degrees of freedom of the variance between runs. 0: runs are involved, but nothing shows how much
    # they vary, so the interval holds items only. None: no runs are involved.
    run_df: int | None = None


NOTHING = Estimate(None, None, None, 0)


@dataclass(frozen=True, slots=True)
class Variance:
    """The variance of a number from one source, as it is estimated."""

    value: float  # squared unit of the data
    df: float  # degrees of freedom of the mean square from which it is estimated
    # That mean square, on the scale of `value`. Larger than the value if another variance was subtracted from it.
    mean_square: float | None = None


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


def mean_variance(values: "NDArray[np.float64]", step: float = 1.0) -> Variance:
    """The variance of the mean of n independent values (n at least 2).

    step: how far one observation can move a value. If most values are equal and fewer than 25 differ from them, a value
    one step above and a value one step below are added, as Bonett and Price (2012) do for paired proportions: else the
    interval would be too short, or of width 0 where all are equal.
    """
    import numpy as np

    n = len(values)
    distinct, counts = np.unique(values, return_counts=True)
    mode, equal = distinct[counts.argmax()], int(counts.max())
    values = np.repeat(distinct, counts)  # sorted, so that the order does not matter
    if equal > n / 2 and n - equal < FEW:
        values = np.append(values, [mode - step, mode + step])
    return Variance(float(values.var(ddof=1)) / len(values), n - 1)


def mean_interval(values: Sequence[float], step: float = 1.0) -> Estimate:
    """The mean of n independent values with Student's interval. One value has a mean but no interval.

    For a paired comparison the values are the differences per item. step: as in `mean_variance`.
    """
    import numpy as np

    if len(values) == 0:
        return NOTHING
    array = np.asarray(values, dtype=np.float64)
    mean = math.fsum(values) / len(values)
    return t_interval(mean, len(values), [mean_variance(array, step)] if len(values) > 1 else [])


def t_interval(value: float, n: int, parts: Sequence[Variance], run_df: int | None = None) -> Estimate:
    """A value whose variance is the sum of independent parts; without parts it has no interval."""
    total = sum(part.value for part in parts)
    if total <= 0:
        return Estimate(value, None, None, n, run_df=run_df)
    uncertain = sum((part.value if part.mean_square is None else part.mean_square) ** 2 / part.df for part in parts)
    df = max(1.0, total**2 / uncertain)
    se = math.sqrt(total)
    half = _t_quantile(1 - _TAIL, df) * se
    return Estimate(value, value - half, value + half, n, se, df, run_df)


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """The estimate in another unit. factor: above 0."""
    value, low, high, se = (
        None if part is None else part * factor for part in (estimate.value, estimate.low, estimate.high, estimate.se)
    )
    return replace(estimate, value=value, low=low, high=high, se=se)


def p_above(estimate: Estimate, bound: float) -> float:
    """One-sided p: how likely a value as large is if the truth is not above the bound. 1 without an interval.

    It inverts the half of the interval that faces the bound: it is at most 0.025 exactly if the 95% interval lies above
    the bound, symmetric or not. `p_below` is 1 minus it.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return 1.0
    half = estimate.value - estimate.low if bound <= estimate.value else estimate.high - estimate.value
    if half == 0:
        return float(estimate.value <= bound)
    df = estimate.df or math.inf
    return _t_above((estimate.value - bound) / half * _t_quantile(1 - _TAIL, df), df)


def p_below(estimate: Estimate, bound: float) -> float:
    """One-sided p: how likely a value as small is if the truth is not below the bound. 1 without an interval."""
    return 1 - p_above(estimate, bound) if estimate.low is not None else 1.0


def minimum_detectable(estimate: Estimate) -> float | None:
    """The smallest true distance from a bound that 80% of such studies see: their 95% interval excludes the bound.

    With s the standard error and t the quantiles of Student's distribution, (t(0.975) + t(0.8)) s (Bloom 1995). An
    interval of another form counts by its half width, which is t(0.975) s. None without an interval.
    """
    if estimate.low is None or estimate.high is None:
        return None
    df = estimate.df or math.inf
    se = estimate.se
    if se is None:
        se = (estimate.high - estimate.low) / 2 / _t_quantile(1 - _TAIL, df)
    return (_t_quantile(1 - _TAIL, df) + _t_quantile(POWER, df)) * se


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number, in the same order (Holm 1979)."""
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, p_values[place] * (len(p_values) - rank))
        corrected[place] = min(least, 1.0)
    return corrected


def ratio_interval(
    numerator: float, denominator: float, covariance: Sequence[Sequence[float]], df: float
) -> tuple[float | None, float | None]:
    """The 95% interval of numerator/denominator (Fieller 1954); (None, None) if the denominator may be 0.

    covariance: 2 x 2, of numerator and denominator. df: degrees of freedom of the covariance.
    """
    (v11, v12), (_, v22) = covariance
    q = _t_quantile(1 - _TAIL, df) ** 2
    a, b, c = denominator**2 - q * v22, numerator * denominator - q * v12, numerator**2 - q * v11
    if a <= 0 or b**2 < a * c:
        return None, None
    root = math.sqrt(b**2 - a * c)
    return (b - root) / a, (b + root) / a


def paired_proportions(first: int, second: int, n: int) -> Estimate:
    """The difference of two shares of the same n items, with the score interval of Tango (1998).

    first: items that only the first side has right; second: items that only the second side has right.
    """
    if n == 0:
        return NOTHING
    from scipy.optimize import brentq

    value = (first - second) / n

    def score(difference: float) -> float:
        b = -first - second + (2 * n - first + second) * difference
        c = -second * difference * (1 - difference)
        share = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        distance = first - second - n * difference
        return (
            distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance) if distance else 0.0
        )

    edge = 1 - 1e-12
    low = -1.0 if score(-edge) <= _Z or value <= -edge else float(brentq(lambda d: score(d) - _Z, -edge, value))
    high = 1.0 if score(edge) >= -_Z or value >= edge else float(brentq(lambda d: score(d) + _Z, value, edge))
    return Estimate(value, low, high, n)


def mcnemar(first: int, second: int) -> float:
    """Two-sided p of equal shares, exact: of the items on which two sides differ, half should favour each (1947)."""
    if first + second == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(first, first + second).pvalue)


def with_runs(estimate: Estimate, runs: Variance | None, run_df: int) -> Estimate:
    """An interval over items, widened by the variance between runs: the squares of both halves add up (MOVER).

    For intervals that are not symmetric (Zou and Donner 2008).
    """
    if estimate.value is None or estimate.low is None or estimate.high is None or runs is None:
        return replace(estimate, run_df=run_df)
    half = _t_quantile(1 - _TAIL, runs.df) * math.sqrt(runs.value)
    low = estimate.value - math.hypot(estimate.value - estimate.low, half)
    high = estimate.value + math.hypot(estimate.high - estimate.value, half)
    return replace(estimate, low=low, high=high, run_df=run_df)


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


# scipy.stats has the same numbers, bit by bit, after an import of half a second and a tenth of a millisecond a call.


def _t_quantile(p: float, df: float) -> float:
    """The value that Student's distribution is below with probability p."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


def _t_above(value: float, df: float) -> float:
    """The probability that Student's distribution is above a value."""
    from scipy.special import stdtr

    return float(stdtr(df, -value))
