"""How the intervals of means are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefdelta.core.ids import seed_of
from prefdelta.core.statistics import Estimate, mean_interval


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Resamples and the study's seed."""

    resamples: int
    seed: int

    def estimate(self, values: Sequence[float], *what: Any) -> Estimate:
        """what: names the number, so that it has the same draws wherever it is shown."""
        return mean_interval(values, self.resamples, seed_of("report", self.seed, *what))


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """The same in another unit."""
    value, low, high = (
        None if part is None else part * factor for part in (estimate.value, estimate.low, estimate.high)
    )
    return Estimate(value, low, high, estimate.n)
