import pytest

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.reporting.numbers.gains import difference_weights, gain_weights, mean_weights

FIRST = Arm("pa", Pairing("g3", "g1"), "all", "dpo", 0)
SECOND = Arm("pa", Pairing("g3", "g1"), "all", "dpo", 1)
OTHER = Arm("pa", Pairing("g2", "g1"), "all", "dpo", 0)


def test_the_weights_of_a_mean_sum_to_1_and_those_of_a_gain_and_a_difference_to_0() -> None:
    assert mean_weights([FIRST, SECOND]) == {FIRST: 0.5, SECOND: 0.5}
    assert gain_weights([FIRST, SECOND]) == {FIRST: 0.5, SECOND: 0.5, Base("pa"): -1.0}
    assert difference_weights([FIRST, SECOND], [OTHER]) == {FIRST: 0.5, SECOND: 0.5, OTHER: -1.0}
    assert sum(difference_weights([FIRST], [SECOND, OTHER]).values()) == pytest.approx(0)
