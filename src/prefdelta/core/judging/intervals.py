"""Intervals of functions of means, such as correlations and ratios, without resampling."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from prefdelta.core.statistics import Estimate, Variance, t_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STEP = 1e-6  # of the central differences, relative to a mean
Scale = Literal["plain", "correlation", "share"]
_Transform = tuple[float, Callable[[float], float], float]  # a value on a scale, the way back, and the scale's slope


def of_means(
    rows: "NDArray[np.float64]", function: "Callable[[NDArray[np.float64]], NDArray[np.float64]]", scale: Scale
) -> Estimate:
    """A function of the means of several columns, with the interval of the infinitesimal jackknife (Jaeckel 1972).

    rows: n x c, one row per independent unit. function: means (... x c) to values (...). The variance is that of the
    units' influences on the value, whatever the columns' distributions (Efron 1981). The interval is symmetric on the
    scale named: as it is, Fisher's for correlations, logits for shares. There is no value where the function has none,
    and no interval for one unit, without variance, or at the end of a scale.
    """
    import numpy as np

    n = len(rows)
    if n == 0:
        return Estimate(None, None, None, 0)
    means = rows.mean(axis=0)
    value = float(function(means))
    if not math.isfinite(value):
        return Estimate(None, None, None, n)
    steps = np.diag(_STEP * np.maximum(1.0, np.abs(means)))
    slopes = (function(means + steps) - function(means - steps)) / (2 * np.diag(steps))
    influences = (rows - means) @ slopes
    variance = float(influences @ influences) / (n * max(n - 1, 1))
    edge = 1 - 1e-9
    ends = {"plain": (-math.inf, math.inf), "correlation": (-edge, edge), "share": (1 - edge, edge)}[scale]
    if n < 2 or not math.isfinite(variance) or variance <= 1e-18 or not ends[0] < value < ends[1]:
        return Estimate(value, None, None, n)
    if scale == "plain":
        return t_interval(value, n, [Variance(variance, n - 1)])
    there, back, slope = _SCALES[scale](value)
    wide = t_interval(there, n, [Variance(variance * slope**2, n - 1)])
    assert wide.low is not None
    assert wide.high is not None
    return Estimate(value, back(wide.low), back(wide.high), n, math.sqrt(variance), n - 1)


def _fisher(value: float) -> _Transform:
    return math.atanh(value), math.tanh, 1 / (1 - value**2)


def _logit(value: float) -> _Transform:
    return math.log(value / (1 - value)), _from_logit, 1 / (value * (1 - value))


def _from_logit(value: float) -> float:
    return (1 + math.tanh(value / 2)) / 2


_SCALES: dict[Scale, Callable[[float], _Transform]] = {"correlation": _fisher, "share": _logit}
