import numpy as np
import pytest

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.reporting.numbers.gains import (
    difference_per_item,
    difference_weights,
    gain_per_item,
    gain_weights,
    mean_weights,
)

FIRST = Arm("pa", Pairing("g3", "g1"), "all", "dpo", 0)
SECOND = Arm("pa", Pairing("g3", "g1"), "all", "dpo", 1)
OTHER = Arm("pa", Pairing("g2", "g1"), "all", "dpo", 0)
REPEATS = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 1.0, np.nan, 0.0]])


def test_a_gain_is_paired_by_item_and_missing_where_one_does_not_count() -> None:
    gains = gain_per_item(REPEATS, np.array([0.0, 1.0, 0.0, np.nan]))
    np.testing.assert_array_equal(gains, [1.0, -0.5, np.nan, np.nan])


def test_a_difference_is_between_two_means_of_repeats() -> None:
    others = np.array([[0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0]])
    np.testing.assert_array_equal(difference_per_item(REPEATS, others), [0.5, -0.5, np.nan, 0.0])


def test_the_weights_of_a_mean_sum_to_1_and_those_of_a_gain_and_a_difference_to_0() -> None:
    assert mean_weights([FIRST, SECOND]) == {FIRST: 0.5, SECOND: 0.5}
    assert gain_weights([FIRST, SECOND]) == {FIRST: 0.5, SECOND: 0.5, Base("pa"): -1.0}
    assert difference_weights([FIRST, SECOND], [OTHER]) == {FIRST: 0.5, SECOND: 0.5, OTHER: -1.0}
    assert sum(difference_weights([FIRST], [SECOND, OTHER]).values()) == pytest.approx(0)
