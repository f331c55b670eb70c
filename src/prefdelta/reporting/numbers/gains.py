"""What a gain is: an arm's accuracy minus that of its untrained policy, paired by item; and differences between arms.

On one benchmark it is a mean over items (`gain_per_item`), over several a weighted sum of accuracies (`gain_weights`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Base

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POINTS = 100.0  # percentage points in a share of 1
UNIT = "percentage points"
ArmWeights = Mapping[Arm | Base, float]


def gain_per_item(arms: "NDArray[np.float64]", base: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The mean outcome over some repeats of an arm, minus the outcome of the untrained policy, by item: a share.

    arms: outcomes, repeats x items. base: outcomes by item. NaN where one of them does not count.
    """
    gains: NDArray[np.float64] = arms.mean(axis=0) - base
    return gains


def difference_per_item(arms: "NDArray[np.float64]", others: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The mean outcome over some repeats, minus the mean over others, by item: a share.

    arms, others: outcomes, repeats x items. NaN where one of them does not count.
    """
    differences: NDArray[np.float64] = arms.mean(axis=0) - others.mean(axis=0)
    return differences


def mean_weights(arms: Iterable[Arm]) -> ArmWeights:
    """The weights of a mean over arms: equal, with the sum 1."""
    arms = list(arms)
    return dict.fromkeys(arms, 1 / len(arms))


def gain_weights(arms: Sequence[Arm]) -> ArmWeights:
    """The weights whose sum of accuracies is the gain of some repeats: their mean, minus their untrained policy."""
    return {**mean_weights(arms), arms[0].base: -1.0}


def difference_weights(arms: Sequence[Arm], others: Sequence[Arm]) -> ArmWeights:
    """The weights whose sum of accuracies is the mean over some repeats minus the mean over others."""
    return {**mean_weights(arms), **{arm: -weight for arm, weight in mean_weights(others).items()}}
