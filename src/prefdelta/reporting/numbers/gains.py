"""What a gain is: an arm's accuracy minus that of its untrained policy; and differences between arms.

All are weighted sums of accuracies over the same problems (`Scores.weighted_difference`).
"""

from collections.abc import Iterable, Mapping, Sequence

from prefdelta.core.arms import Arm, Base

POINTS = 100.0  # percentage points in a share of 1
UNIT = "percentage points"
ArmWeights = Mapping[Arm | Base, float]


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
