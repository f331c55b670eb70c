import pytest

from prefdelta.core.arms import Arm
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.captions import caption

RUNS = Estimate(0.5, 0.4, 0.6, 40, 0.05, 9.0, 4)
MORE_RUNS = Estimate(0.5, 0.4, 0.6, 60, 0.05, 9.0, 6)
ITEMS_ONLY = Estimate(0.5, 0.4, 0.6, 50, 0.05, 49.0, 0)
NO_RUNS = Estimate(0.5, 0.4, 0.6, 50, 0.05, 49.0)
NO_INTERVAL = Estimate(0.5, None, None, 1, run_df=4)


@pytest.mark.parametrize(
    ("estimates", "expected"),
    [
        ([RUNS, MORE_RUNS], "n = 40–60 problems. Intervals (95%) hold problems and runs (4–6 degrees of freedom"),
        ([ITEMS_ONLY], "n = 50 problems. Intervals marked ‡ hold problems only: no arm was repeated here."),
        ([RUNS, ITEMS_ONLY], "between runs). Those marked ‡ hold problems only: no arm was repeated there."),
        ([NO_RUNS], "n = 50 problems. Intervals (95%) hold problems."),
        ([RUNS, NO_RUNS], "between runs). Where no training is involved, they hold problems."),
        ([RUNS, NO_INTERVAL], "between runs). 1 of 2 values has no interval: too few problems differ."),
        ([None, Estimate(None, None, None, 0)], "No values."),
    ],
)
def test_what_intervals_hold(estimates, expected):
    assert expected in caption(estimates)


def test_seeds_unit_and_pairing_are_named():
    arms = [Arm.parse(f"p/{pairing}/dpo/s{seed}") for pairing in ("a~b/all", "c~b/all") for seed in (2, 0)]
    found = caption([RUNS], arms=arms, paired="sides are paired", unit="prompts")
    assert found.startswith("n = 40 prompts; training seeds 0, 2; sides are paired. Intervals (95%) hold prompts and")


def test_a_seed_names_its_draw_of_traces():
    arms = [Arm.parse(name) for name in ("p/a~b/all/dpo/s1", "p/a@2~b@2/all/dpo/s0", "p/a@2~b@2/all/dpo/s10")]
    assert "training seeds 1, 0@2, 10@2 (seed@draw of the traces)." in caption([RUNS], arms=arms)
