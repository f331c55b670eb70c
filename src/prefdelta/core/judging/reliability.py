"""How far deltas, and sets selected by them, hold under another judging of the same pairs.

Classical test theory (Spearman 1904; Lord and Novick 1968, ch. 3): a judged delta is the pair's true delta, which is
the mean over judgings, plus an error that is independent from judging to judging. The reliability is the share of the
variance of the deltas that is true. It is the correlation of two judgings by judges with equal error, and, whatever the
second judge's error, the slope of its deltas on the first judge's if both are on one scale. A set selected by judged
deltas has also selected errors: its mean delta falls back towards the mean of all pairs when it is judged again. Means
of several verdicts are more reliable than one (arXiv 2503.03064); `with_votes` says by how much.

Here columns are n x c, one row per pair; means are (... x c), the columns' means (`core.judging.intervals` makes
intervals of functions of them). Deltas, scores and their means are in score points.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ALMOST_NONE = 1e-12  # a variance that counts as none: nothing varies


def with_votes(reliability: float, votes: float) -> float:
    """The reliability of means of `votes` times as many verdicts (Spearman 1910, Brown 1910). Not for -1 and below."""
    return votes * reliability / (1 + (votes - 1) * reliability)


# --- two judgings of the same pairs -----------------------------------------------------------------------------------


def two_judgings(first: Mapping[str, float], second: Mapping[str, float]) -> "NDArray[np.float64]":
    """The columns of the pairs that both judged (n x 5): x, y, xx, yy, xy. first, second: delta by pair."""
    import numpy as np

    both = sorted(first.keys() & second.keys())
    x, y = (np.array([deltas[pair] for pair in both], dtype=float) for deltas in (first, second))
    return np.stack([x, y, x * x, y * y, x * y], axis=1)


def correlation(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The correlation of two judgings' deltas (Pearson); NaN where one of them does not vary."""
    x, y, xx, yy, xy = _columns(means, 5)
    return _ratio(xy - x * y, _root((xx - x**2) * (yy - y**2)))


def slope(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The slope of the second judging's deltas on the first's: the first's reliability, if both are on one scale."""
    x, y, xx, _, xy = _columns(means, 5)
    return _ratio(xy - x * y, xx - x**2)


# --- a set selected by the first judging ------------------------------------------------------------------------------


def selected_set(
    first: Mapping[str, float], second: Mapping[str, float], chances: Mapping[str, float]
) -> "NDArray[np.float64]":
    """The columns of all pairs that the first judged (n x 10), of which the second may have judged only a sample.

    x, z, zx; w, wx, wy, wxx, wxy: w is 1 for pairs that both judged; wz, wzy. chances: a pair's chance of being in the
    set, between 0 and 1 for pairs that tie at its cut.
    """
    import numpy as np

    pairs = sorted(first)
    x = np.array([first[pair] for pair in pairs], dtype=float)
    y = np.array([second.get(pair, 0.0) for pair in pairs], dtype=float)
    w = np.array([pair in second for pair in pairs], dtype=float)
    z = np.array([chances[pair] for pair in pairs], dtype=float)
    return np.stack([x, z, z * x, w, w * x, w * y, w * x * x, w * x * y, w * z, w * z * y], axis=1)


def judged_mean(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The set's mean delta as the judging that selected it has it."""
    return _ratio(means[..., 2], means[..., 1])


def corrected_mean(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The same corrected for selection: m + r (judged - m), m the mean of all pairs, r the reliability (Kelley 1927).

    r is the slope on the pairs that both judged. It takes true deltas to be linear in judged ones.
    """
    x, _, _, w, wx, wy, wxx, wxy, _, _ = _columns(means, 10)
    reliability = _ratio(w * wxy - wx * wy, w * wxx - wx**2)
    return x + reliability * (judged_mean(means) - x)


def mean_judged_again(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The set's mean delta as the second judging has it: its errors had no part in the selection."""
    return _ratio(means[..., 9], means[..., 8])


# --- two sets, each selected by one judging ---------------------------------------------------------------------------


def two_sets(first: Mapping[str, float], second: Mapping[str, float]) -> "NDArray[np.float64]":
    """The columns of the pairs that both judged (n x 3): z, v, zv. first, second: a pair's chance of being selected."""
    import numpy as np

    both = sorted(first.keys() & second.keys())
    z, v = (np.array([chances[pair] for pair in both], dtype=float) for chances in (first, second))
    return np.stack([z, v, z * v], axis=1)


def not_taken(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The share of the first set that the second judging would not have selected."""
    return 1 - _ratio(means[..., 2], means[..., 0])


def jaccard(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The size of what two sets share, over that of their union. Sizes are expectations over the orders of ties."""
    return _ratio(means[..., 2], means[..., 0] + means[..., 1] - means[..., 2])


# --- validity ---------------------------------------------------------------------------------------------------------


def three_variables(
    first: Mapping[str, float], second: Mapping[str, float], given: Mapping[str, float]
) -> "NDArray[np.float64]":
    """The columns of the pairs that have all three (n x 9): x, y, g; xx, yy, gg; xy, xg, yg."""
    import numpy as np

    all_three = sorted(first.keys() & second.keys() & given.keys())
    x, y, g = (np.array([values[pair] for pair in all_three], dtype=float) for values in (first, second, given))
    return np.stack([x, y, g, x * x, y * y, g * g, x * y, x * g, y * g], axis=1)


def partial_correlation(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The correlation of the first two variables given the third (Yule 1907), which may be constant."""
    import numpy as np

    x, y, g, xx, yy, gg, xy, xg, yg = _columns(means, 9)
    vx, vy, vg = xx - x**2, yy - y**2, gg - g**2
    cxg, cyg = xg - x * g, yg - y * g
    varies = vg > _ALMOST_NONE
    by = np.where(varies, vg, 1.0)
    left = xy - x * y - np.where(varies, cxg * cyg / by, 0)
    vx, vy = (v - np.where(varies, c**2 / by, 0) for v, c in ((vx, cxg), (vy, cyg)))
    return _ratio(left, _root(vx * vy))


def _columns(means: "NDArray[np.float64]", count: int) -> "list[NDArray[np.float64]]":
    return [means[..., column] for column in range(count)]


def _ratio(above: "NDArray[np.float64]", below: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """NaN where nothing is below."""
    import numpy as np

    return np.asarray(above / np.where(np.abs(below) > _ALMOST_NONE, below, np.nan))


def _root(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    import numpy as np

    return np.asarray(np.sqrt(np.maximum(values, 0)))
