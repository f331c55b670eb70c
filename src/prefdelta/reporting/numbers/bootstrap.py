"""How the intervals of means are drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.core.ids import seed_of
from prefdelta.core.statistics import LEVEL, NOTHING, Estimate, mean_interval

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

    def estimate(self, values: Sequence[float], *what: object) -> Estimate:
        """The mean of values. what: names the number, so that its draws are the same wherever it is shown."""
        return mean_interval(values, self.resamples, seed_of("report", self.seed, *what))

    def of_means(self, parts: Sequence[Sequence[float]], *what: object) -> Estimate:
        """The mean of the parts' means, each of equal weight however many values it has; resampled within each part.

        There is no value if a part is empty, and no interval if a part has only one value.
        """
        import numpy as np

        if not parts or not all(parts):
            return NOTHING
        n = sum(map(len, parts))
        value = float(np.mean([np.mean(part) for part in parts]))
        if min(map(len, parts)) == 1:
            return Estimate(value, None, None, n)
        generator = np.random.default_rng(seed_of("report", self.seed, *what))
        means = np.zeros(self.resamples)
        for part in parts:
            distinct, counts = np.unique(np.asarray(part, dtype=np.float64), return_counts=True)
            draws = generator.multinomial(len(part), counts / len(part), size=self.resamples)  # resamples x distinct
            means += draws @ distinct / len(part)
        low, high = np.quantile(means / len(parts), [_TAIL, 1 - _TAIL])
        return Estimate(value, float(low), float(high), n)

    def of_function(
        self,
        parts: "Sequence[NDArray[np.float64]]",
        function: "Callable[[NDArray[np.float64]], NDArray[np.float64]]",
        *what: object,
    ) -> Estimate:
        """A function of several means that were measured on the same units, and so are resampled together.

        parts: units x columns each; a column's mean is that of its means in the parts. function: means (... x columns)
        to values (...); values that are not finite are left out. There is no value if a part has fewer than two units.
        """
        import numpy as np

        n = sum(map(len, parts))
        if not parts or min(map(len, parts)) < 2:
            return Estimate(None, None, None, n)
        generator = np.random.default_rng(seed_of("report", self.seed, *what))
        drawn = np.zeros((self.resamples, parts[0].shape[1]))
        for part in parts:
            drawn += _drawn_means(part, self.resamples, generator) / len(parts)
        value = float(function(np.mean([part.mean(axis=0) for part in parts], axis=0)))
        values = function(drawn)
        finite = values[np.isfinite(values)]
        if not np.isfinite(value) or not len(finite):
            return Estimate(None, None, None, n)
        low, high = np.quantile(finite, [_TAIL, 1 - _TAIL])
        return Estimate(value, float(low), float(high), n)


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


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """The estimate in another unit."""
    value, low, high = (
        None if part is None else part * factor for part in (estimate.value, estimate.low, estimate.high)
    )
    return Estimate(value, low, high, estimate.n)
