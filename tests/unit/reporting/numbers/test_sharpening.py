"""Untrained policies between two temperatures of the grid, and what is said of a family held against them."""

from dataclasses import replace

import numpy as np
import pytest

from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import NOTHING, Estimate
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.gains import gain_weights
from prefdelta.reporting.numbers.sharpening import (
    Match,
    Sharpening,
    base_at_entropy,
    base_at_gain,
    best_of_grid,
    beyond_weights,
    crossing,
    gain_beyond,
    gain_beyond_gain,
    match,
    resolved,
    sharpening,
)

BASE, WARM, COOL = Base("pico"), Base("pico", 0.8), Base("pico", 0.5)
ARMS = tuple(Arm.parse(f"pico/big~small/all/dpo/s{seed}") for seed in (0, 1))
NEAR, FAR, GREEDY = Evaluation("all", "near"), Evaluation("all", "far"), Evaluation("greedy", "near")
N = 200


def matrix(solved, entropies=None):
    """solved: share of the problems that each of base, its two temperatures and the two arms solves."""
    names = [BASE, WARM, COOL, *ARMS][: len(solved)]
    means = np.array([np.arange(N) < round(share * N) for share in solved], dtype=float)
    ones = np.ones(means.shape, dtype=np.int64)
    known = None if entropies is None else np.array(entropies, dtype=float)
    rows = {str(name): row for row, name in enumerate(names)}
    return AnswerMatrix(rows, means, ones, ones, np.zeros(len(names), dtype=np.int64), None, known)


def scores():
    """Near the arms' mean entropy, 0.5, lies halfway between T = 1 and 0.8; far, 0.25 lies a quarter beyond 0.8."""
    answers = {
        NEAR: matrix([0.4, 0.5, 0.6, 0.7, 0.8], [0.6, 0.4, 0.2, 0.55, 0.45]),
        FAR: matrix([0.3, 0.5, 0.9, 0.6, 0.7], [0.8, 0.3, 0.1, 0.25, 0.25]),
    }
    groups = {"all": BenchmarkGroup("All", ["near", "far"], primary=True)}
    return Scores(answers, groups, Bootstrap(200, 1))


@pytest.mark.parametrize(
    ("values", "wanted", "expected"),
    [
        ([0.0, 2.0, 4.0], 1.0, (0, 0.5, "")),
        ([0.0, 2.0, 4.0], 3.5, (1, 0.75, "")),
        ([0.0, 2.0, 4.0], 2.0, (1, 0.0, "")),  # a member of the grid itself
        ([0.0, 2.0, 4.0], 0.0, (0, 0.0, "")),
        ([0.0, 2.0, 4.0], -1.0, (0, 0.0, "hotter")),
        ([0.0, 2.0, 4.0], 5.0, (2, 0.0, "cooler")),
        ([0.0, 4.0, 1.0], 2.0, (0, 0.5, "")),  # the first time that it is reached
        ([0.0, 4.0, 1.0], 9.0, (1, 0.0, "cooler")),  # the nearest is not the last
    ],
)
def test_a_value_is_found_between_two_neighbours_of_the_grid(values, wanted, expected):
    assert crossing(values, wanted) == expected


def test_base_at_entropy_is_matched_on_each_benchmark_by_itself():
    near, far = (match(scores(), base_at_entropy(ARMS), evaluation) for evaluation in (NEAR, FAR))
    assert near is not None
    assert far is not None
    assert near.shares == pytest.approx({BASE: 0.5, WARM: 0.5})
    assert far.shares == pytest.approx({WARM: 0.75, COOL: 0.25})
    assert (near.target, near.reached) == pytest.approx((0.5, 0.5))
    assert (near.temperature(1.0), far.temperature(1.0)) == pytest.approx((0.9, 0.725))


def test_the_gain_beyond_sharpening_is_the_mean_over_benchmarks_each_with_its_own_match():
    # Near 0.75 - (0.4 + 0.5)/2, far 0.65 - (0.75 x 0.5 + 0.25 x 0.9).
    found = gain_beyond(scores(), ARMS, [NEAR, FAR])
    assert found.value == pytest.approx(np.mean([0.3, 0.05]))
    assert found.low < found.value < found.high


def test_it_is_the_same_number_as_the_weighted_sum_of_answered_bases():
    study = scores()
    summed = resolved(study, beyond_weights(ARMS, base_at_entropy(ARMS)), NEAR)
    assert summed == pytest.approx({ARMS[0]: 0.5, ARMS[1]: 0.5, BASE: -0.5, WARM: -0.5})
    assert gain_beyond(study, ARMS, [NEAR]).value == study.weighted_difference(summed, [NEAR]).value
    values, covariance, _ = study.joint([summed, beyond_weights(ARMS, base_at_entropy(ARMS))], [NEAR])
    assert values[0] == values[1]
    assert covariance == pytest.approx(np.full((2, 2), covariance[0, 0]))


def test_base_at_gain_has_one_temperature_for_all_benchmarks():
    # In domain the arms gain 0.35, and no temperature more than 0.2: the coolest is taken, and that is said.
    study = scores()
    base = base_at_gain(ARMS, [NEAR])
    found = match(study, base, FAR)
    assert found == Match({COOL: 1.0}, pytest.approx(0.35), pytest.approx(0.2), "cooler")
    assert gain_beyond_gain(study, ARMS, [NEAR], [FAR]).value == pytest.approx(0.65 - 0.9)
    # An arm that gains 0.05 in domain is matched halfway between T = 1 and 0.8, and held against that far away.
    weak = {NEAR: matrix([0.4, 0.5, 0.6, 0.45, 0.45]), FAR: matrix([0.3, 0.5, 0.9, 0.6, 0.7])}
    study = Scores(weak, {"all": BenchmarkGroup("All", ["near", "far"], primary=True)}, Bootstrap(200, 1))
    halfway = match(study, base, FAR)
    assert halfway is not None
    assert halfway.shares == pytest.approx({BASE: 0.5, WARM: 0.5})
    assert gain_beyond_gain(study, ARMS, [NEAR], [FAR]).value == pytest.approx(0.65 - 0.4)


def test_the_problems_in_domain_move_the_match_by_gain_and_its_interval_holds_that():
    """Between T = 1 and 0.8 the untrained policy rises by 0.1 near and 0.2 far: an error of the match counts twice."""
    weak = {NEAR: matrix([0.4, 0.5, 0.6, 0.45, 0.45]), FAR: matrix([0.3, 0.5, 0.9, 0.6, 0.7])}
    study = Scores(weak, {"all": BenchmarkGroup("All", ["near", "far"], primary=True)}, Bootstrap(200, 1))
    weights = beyond_weights(ARMS, base_at_gain(ARMS, [NEAR]))
    far, near = (study.weighted_difference(weights, [where]) for where in (FAR, NEAR))
    found = gain_beyond_gain(study, ARMS, [NEAR], [FAR])
    assert found.se == pytest.approx(np.hypot(far.se, 2 * near.se))
    assert (found.value, found.n, found.run_df) == (far.value, far.n, far.run_df)


@pytest.mark.parametrize(
    "lacking",
    [
        matrix([0.4, 0.5, 0.6, 0.7, 0.8]),  # no entropy is known
        matrix([0.4, 0.5, 0.6, 0.7, 0.8], [0.6, 0.4, 0.2, 0.5, np.nan]),
        matrix([0.4, 0.5, 0.6, 0.7, 0.8], [0.6, np.nan, 0.2, 0.5, 0.5]),
    ],
)
def test_without_entropies_there_is_no_match_and_no_number(lacking):
    study = Scores({NEAR: lacking}, {"all": BenchmarkGroup("All", ["near"], primary=True)}, Bootstrap(200, 1))
    assert not study.has(base_at_entropy(ARMS), NEAR)
    assert gain_beyond(study, ARMS, [NEAR]) == replace(NOTHING, run_df=gain_beyond(study, ARMS, [NEAR]).run_df)


def test_without_a_grid_there_is_no_match():
    alone = AnswerMatrix(
        {str(BASE): 0, str(ARMS[0]): 1},
        np.ones((2, N)),
        np.ones((2, N), np.int64),
        np.ones((2, N), np.int64),
        np.zeros(2, np.int64),
        None,
        np.array([0.5, 0.4]),
    )
    study = Scores({NEAR: alone}, {"all": BenchmarkGroup("All", ["near"], primary=True)}, Bootstrap(200, 1))
    assert match(study, base_at_entropy(ARMS[:1]), NEAR) is None
    assert best_of_grid(study, "pico", [NEAR]) is None


def test_without_benchmarks_in_domain_no_temperature_is_matched_by_gain():
    assert sharpening(scores(), ARMS, [FAR], [], {}).beyond_gain == NOTHING
    with pytest.raises(ValueError, match="in domain"):
        base_at_gain(ARMS, [])


def test_bases_of_the_grid_are_no_policies_of_their_own():
    assert scores().policies() == ["pico"]


def test_the_best_of_the_grid_is_best_on_the_mean_over_benchmarks():
    found = best_of_grid(scores(), "pico", [NEAR, FAR])
    assert found is not None
    assert (found[0], found[1].value) == (COOL, pytest.approx(np.mean([0.2, 0.6])))


def test_a_family_is_held_against_sharper_sampling_and_against_other_temperatures():
    study = Scores(
        {
            NEAR: matrix([0.4, 0.5, 0.6, 0.745, 0.755], [0.6, 0.4, 0.2, 0.55, 0.45]),
            GREEDY: AnswerMatrix(
                {str(BASE): 0, str(ARMS[0]): 1, str(ARMS[1]): 2},
                np.array([np.arange(N) < share * N for share in (0.6, 0.795, 0.805)], dtype=float),
                np.ones((3, N), np.int64),
                np.ones((3, N), np.int64),
                np.zeros(3, np.int64),
                None,
            ),
        },
        {
            "all": BenchmarkGroup("All", ["near"], primary=True),
            "greedy": BenchmarkGroup("Greedy", ["near"], False, 0.0),
        },
        Bootstrap(200, 1),
    )
    found = sharpening(study, ARMS, [NEAR], [NEAR], {0.0: [GREEDY]})
    values = [each.value for each in (found.gain, found.sharpened, found.beyond, found.half, found.at[0.0])]
    assert values == pytest.approx([0.35, 0.05, 0.3, 0.3 - 0.175, 0.2])
    assert found.entropy == pytest.approx((0.5, 0.6))
    assert found.beyond_gain == NOTHING  # in domain it is 0 by construction
    assert found.verdict == "beyond sharpening"


def test_a_run_that_came_out_sharper_is_held_against_a_sharper_base():
    # Both seeds lie 0.25 above their own base@entropy, 0.5 and 0.6: their accuracies differ, their gains beyond do not.
    one = matrix([0.4, 0.5, 0.6, 0.75, 0.85], [0.6, 0.4, 0.2, 0.4, 0.2])
    study = Scores({NEAR: one}, {"all": BenchmarkGroup("All", ["near"], primary=True)}, Bootstrap(200, 1))
    beyond, gain = gain_beyond(study, ARMS, [NEAR]), study.weighted_difference(gain_weights(ARMS), [NEAR])
    assert beyond.value == pytest.approx(0.25)
    assert beyond.high - beyond.low < 0.15 < gain.high - gain.low
    assert (beyond.run_df, gain.run_df) == (1, 1)


def test_an_arm_that_is_less_sharp_than_its_untrained_policy_is_held_against_that_as_it_is():
    blunt = matrix([0.4, 0.5, 0.6, 0.7, 0.8], [0.6, 0.4, 0.2, 0.7, 0.7])
    study = Scores({NEAR: blunt}, {"all": BenchmarkGroup("All", ["near"], primary=True)}, Bootstrap(200, 1))
    found = sharpening(study, ARMS, [NEAR], [NEAR], {})
    assert [each.outside for each in found.matches] == ["hotter"]
    assert (found.sharpened.value, found.sharpened.low) == (0.0, None)
    assert found.beyond.value == found.gain.value == pytest.approx(0.35)


def around(value, half=1.0):
    return Estimate(value, value - half, value + half, 9)


@pytest.mark.parametrize(
    ("gain", "beyond", "greedy", "outside", "expected"),
    [
        (10, 6, 5, "", "beyond sharpening"),
        (10, 6, None, "", "beyond sharpening"),
        (10, 6, 0.5, "", "undecided"),  # not seen greedily
        (10, 6, None, "cooler", "undecided"),  # no temperature of the grid is as sharp as the arm
        (10, 6, 5, "cooler", "beyond sharpening"),
        (10, 0.5, 0.5, "", "sharpening"),
        (10, 0.5, None, "", "sharpening"),
        (10, 3.9, 0.5, "", "undecided"),  # half of the gain may be beyond
        (10, 0.5, 2, "", "undecided"),  # a small one is one, too
        (10, 0.5, 4, "", "undecided"),  # nothing beyond at this temperature, but a greedy gain
        (0.5, 0.5, 0.5, "", "no gain"),
        (-5, -5, -5, "", "no gain"),
    ],
)
def test_the_verdict_follows_from_the_intervals(gain, beyond, greedy, outside, expected):
    found = Sharpening(
        arms=ARMS,
        gain=around(gain),
        sharpened=around(gain - beyond),
        beyond=around(beyond),
        half=around(beyond - gain / 2, 1.2),
        beyond_gain=NOTHING,
        best=None,
        at={} if greedy is None else {0.0: around(greedy)},
        matches=[Match({COOL: 1.0}, 0.1, 0.2, outside)],
        entropy=None,
    )
    assert found.verdict == expected
    assert replace(found, beyond=NOTHING).verdict == "not measured"


@pytest.mark.parametrize("unknown", ["gain", "beyond", "half", "greedy"])
@pytest.mark.parametrize(("beyond", "greedy"), [(6, 5), (0.5, 0.5)], ids=["beyond sharpening", "sharpening"])
def test_where_nothing_shows_how_much_runs_vary_nothing_is_decided(unknown, beyond, greedy):
    numbers = {"gain": around(10), "beyond": around(beyond), "half": around(beyond - 5, 0.5), "greedy": around(greedy)}
    numbers[unknown] = replace(numbers[unknown], run_df=0)
    at = {0.0: numbers.pop("greedy")}
    gain, beyond, half = numbers.values()
    found = Sharpening(ARMS, gain, NOTHING, beyond, half, NOTHING, None, at, [Match({COOL: 1.0}, 0.1, 0.2, "")], None)
    assert found.verdict == "undecided"


def test_gains_are_untouched_by_the_grid():
    study = scores()
    assert resolved(study, gain_weights(ARMS), NEAR) == gain_weights(ARMS)
