"""Intervals of numbers that are no sums of means: drawn by resampling."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.core.ids import seed_of
from prefdelta.core.statistics import LEVEL, Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TAIL = (1 - LEVEL) / 2
_AT_ONCE = 100  # resamples drawn together: bounds memory where there are thousands of prompts


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Resamples and the study's seed."""

    resamples: int
    seed: int

    def of_function(
        self,
        parts: "Sequence[NDArray[np.float64]]",
        function: "Callable[[NDArray[np.float64]], NDArray[np.float64]]",
        *what: object,
        runs: "Callable[[int, np.random.Generator], NDArray[np.float64]] | None" = None,
        run_df: int | None = None,
    ) -> Estimate:
        """A function of several means that were measured on the same units, and so are resampled together.

        parts: units x columns each; a column's mean is that of its means in the parts. function: means (... x columns)
        to values (...); values that are not finite are left out. what: names the number, so that its draws are the same
        wherever it is shown. runs: (resamples, generator) to deviations of the columns by the luck of runs (resamples x
        columns). run_df: as in `Estimate`. There is no value if a part has fewer than two units, and no interval if all
        draws are equal.
        """
        import numpy as np

        n = sum(map(len, parts))
        if not parts or min(map(len, parts)) < 2:
            return Estimate(None, None, None, n)
        generator = np.random.default_rng(seed_of("report", self.seed, *what))
        drawn = np.zeros((self.resamples, parts[0].shape[1]))
        for part in parts:
            drawn += _drawn_means(part, self.resamples, generator) / len(parts)
        if runs is not None:
            drawn += runs(self.resamples, generator)
        value = float(function(np.mean([part.mean(axis=0) for part in parts], axis=0)))
        values = function(drawn)
        finite = values[np.isfinite(values)]
        if not np.isfinite(value) or not len(finite):
            return Estimate(None, None, None, n)
        low, high = map(float, np.quantile(finite, [_TAIL, 1 - _TAIL]))
        if low == high:
            return Estimate(value, None, None, n, run_df=run_df)
        return Estimate(value, low, high, n, float(finite.std(ddof=1)), n - 1, run_df)


def _drawn_means(
    rows: "NDArray[np.float64]", resamples: int, generator: "np.random.Generator"
) -> "NDArray[np.float64]":
    """Means of the columns over rows drawn with replacement: resamples x columns."""
    import numpy as np

    n = len(rows)
    means = np.empty((resamples, rows.shape[1]))
    for start in range(0, resamples, _AT_ONCE):
        size = min(_AT_ONCE, resamples - start)
        picked = generator.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(picked.ravel(), minlength=size * n).reshape(size, n)
        means[start : start + size] = counts @ rows / n
    return means
