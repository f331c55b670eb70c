"""How much runs vary, by hand: accuracies that are planted as whole problems, so that the mean squares are plain."""

import numpy as np
import pytest

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.gains import difference_weights, gain_weights, mean_weights
from prefdelta.reporting.numbers.runs import (
    MeanSquare,
    RunVariance,
    by_chosen,
    by_random_draw,
    by_seed,
    by_traces,
    run_variance,
)

TOP = [Arm.parse(f"p/a~b/top-mean-5/dpo/s{seed}") for seed in range(3)]
AB = Pairing("a", "b")
CROSSED = [Arm.parse(f"p/{AB.at(draw)}/all/dpo/s{seed}") for draw in range(3) for seed in range(2)]
RANDOM = [Arm.parse(f"p/a~b/random-5-s{draw}/dpo/s{seed}") for draw in range(2) for seed in range(2)]


def matrix(rows: dict[Arm | Base, list[float]], problems: list[int] | None = None) -> AnswerMatrix:
    means = np.array(list(rows.values()), dtype=float)
    ones = np.ones(means.shape, dtype=np.int64)
    return AnswerMatrix(
        rows={str(arm): row for row, arm in enumerate(rows)},
        means=means,
        counted=np.where(np.isnan(means), 0, ones),
        samples=ones,
        truncated=np.zeros(len(means), dtype=np.int64),
        problems=None if problems is None else np.array(problems),
    )


def constant(arms: list[Arm], accuracies: list[float]) -> dict[Arm | Base, list[float]]:
    """Each problem has the arm's accuracy, so that nothing varies but the runs."""
    return {arm: [accuracy] * 10 for arm, accuracy in zip(arms, accuracies, strict=True)}


def test_seeds_of_one_family_by_hand():
    """0.4, 0.5 and 0.6: the mean square is 0.02 / 2; no answer differs beyond the run."""
    found = run_variance([matrix(constant(TOP, [0.4, 0.5, 0.6]))])
    assert found is not None
    assert found.draws is None
    assert (found.seeds.total, found.seeds.answers, found.df) == (pytest.approx(0.01), pytest.approx(0.0), 2)
    assert found.of(gain_weights(TOP)).value == pytest.approx(0.01 / 3)


def test_families_are_pooled_by_their_degrees_of_freedom():
    others = [Arm.parse(f"p/a~b/all/dpo/s{seed}") for seed in range(2)]
    rows = constant(TOP, [0.4, 0.5, 0.6]) | constant(others, [0.2, 0.4])
    found = run_variance([matrix(rows)])
    assert found is not None
    assert (found.seeds.total, found.df) == (pytest.approx((0.02 + 0.02) / 3), 3)


def test_what_answers_vary_by_is_not_the_luck_of_runs():
    """Two runs of four problems, half right each, on other problems: the residual mean square is 1/3, over 4 problems.

    Residuals are 0.5 or -0.5 everywhere: 8 x 0.25 = 2 over (2 - 1)(4 - 1), over 4 problems.
    """
    found = run_variance([matrix({TOP[0]: [1, 1, 0, 0], TOP[1]: [0, 0, 1, 1]})])
    assert found is not None
    assert (found.seeds.total, found.seeds.answers, found.seeds.value) == (0.0, pytest.approx(2 / 3 / 4), 0.0)


def test_problems_that_repeat_are_one_problem():
    rows = {TOP[0]: [1, 1, 0, 0], TOP[1]: [0, 0, 1, 1]}
    doubled = {arm: [value for value in row for _ in range(2)] for arm, row in rows.items()}
    single, merged = run_variance([matrix(rows)]), run_variance([matrix(doubled, [0, 0, 1, 1, 2, 2, 3, 3])])
    assert single is not None
    assert merged is not None
    assert merged.seeds.answers == pytest.approx(single.seeds.answers)


def test_the_mean_over_benchmarks_is_what_varies():
    """A run that is lucky on one benchmark and unlucky on the other has the mean of its family."""
    pair = [matrix(constant(TOP[:2], [0.4, 0.6])), matrix(constant(TOP[:2], [0.6, 0.4]))]
    assert run_variance(pair).seeds.total == pytest.approx(0.0)
    assert run_variance(pair[:1]).seeds.total == pytest.approx(0.02)


@pytest.mark.parametrize("rows", [{TOP[0]: [0.5] * 10}, {Base("p"): [0.5] * 10, RANDOM[0]: [0.5] * 10}])
def test_without_repeats_nothing_is_known_of_runs(rows):
    assert run_variance([matrix(rows)]) is None
    assert run_variance([]) is None


def test_problems_that_do_not_count_for_a_run_are_left_out():
    rows = {TOP[0]: [1, 0, 1, float("nan")], TOP[1]: [1, 0, 0, 1]}
    assert run_variance([matrix(rows)]) == run_variance([matrix({arm: row[:3] for arm, row in rows.items()})])
    assert run_variance([matrix({TOP[0]: [1, float("nan")], TOP[1]: [1, 0]})]) is None


def test_arms_are_repeats_of_each_other_by_seed_by_random_draw_and_by_draw_of_traces():
    arms = [*TOP[:2], *RANDOM, *CROSSED]
    assert by_seed(arms) == [
        [(TOP[0],), (TOP[1],)],
        [(RANDOM[0],), (RANDOM[1],)],
        [(RANDOM[2],), (RANDOM[3],)],
        *([(CROSSED[at],), (CROSSED[at + 1],)] for at in (0, 2, 4)),
    ]
    assert by_random_draw(arms) == [[tuple(RANDOM[:2]), tuple(RANDOM[2:])]]
    assert by_traces(arms) == [[tuple(CROSSED[at : at + 2]) for at in (0, 2, 4)]]


def test_seeds_and_draws_are_told_apart():
    """Draws of 0.3 and 0.5, each with seeds 0.02 apart, and seeds of a top set 0.02 apart.

    Seeds: 0.0002 in each of three families. Means of draws: 0.02, which hold half of the variance between seeds.
    """
    rows = constant(RANDOM, [0.29, 0.31, 0.49, 0.51]) | constant(TOP[:2], [0.4, 0.42])
    found = run_variance([matrix(rows)])
    assert found is not None
    assert (found.seeds.total, found.seeds.df) == (pytest.approx(0.0002), 3)
    assert (found.draws.total, found.draws.holds, found.draws.df) == (pytest.approx(0.02), (0.5,), 1)
    assert found.of(mean_weights(TOP[:2])).value == pytest.approx(0.0002 / 2)
    assert found.of(mean_weights(RANDOM)).value == pytest.approx(0.02 / 2)
    # One arm of one draw: its seed, and what draws add: 0.02 - 0.0002 / 2.
    assert found.of(mean_weights(RANDOM[:1])).value == pytest.approx(0.0002 + 0.02 - 0.0001)


def test_draws_of_traces_are_told_apart_from_seeds():
    """Draws of 0.3, 0.4 and 0.5, each with seeds 0.02 apart: 0.01 between draws, 0.0002 between seeds.

    The mean over all is as uncertain as the mean square between draws. One arm has its seed's luck, 0.0002, and what
    draws add, 0.01 - 0.0002 / 2; two seeds of one draw have half of the first.
    """
    found = run_variance([matrix(constant(CROSSED, [0.29, 0.31, 0.39, 0.41, 0.49, 0.51]))])
    assert found is not None
    assert (found.seeds.total, found.seeds.df, found.draws) == (pytest.approx(0.0002), 3, None)
    assert (found.traces.total, found.traces.holds, found.traces.df) == (pytest.approx(0.01), (0.5,), 2)
    mean = found.of(mean_weights(CROSSED))
    assert (mean.value, mean.df) == (pytest.approx(0.01 / 3), 2)
    assert found.of(mean_weights(CROSSED[:1])).value == pytest.approx(0.0002 + 0.01 - 0.0001)
    assert found.of(mean_weights(CROSSED[:2])).value == pytest.approx(0.0001 + 0.01 - 0.0001)
    assert found.adds(found.traces) == pytest.approx(0.01 - 0.0001)
    # Of two arms of one draw, the luck of the draw drops out; of one draw each, nothing does.
    assert found.of({CROSSED[0]: 1.0, CROSSED[1]: -1.0}).value == pytest.approx(2 * 0.0002)
    assert found.of({CROSSED[0]: 1.0, CROSSED[2]: -1.0}).value == pytest.approx(2 * (0.0002 + 0.01 - 0.0001))


def test_what_families_share_by_their_chosen_traces_does_not_average_out_over_them():
    """Two families on draws 0.3, 0.4 and 0.5 of a's traces, the second by 0.1 better, and on the last by 0.16.

    Between draws: 0.01 in the first, 0.0172 in the second (0.4, 0.5, 0.66), so 0.0136 in a family. Between the means of
    both (0.35, 0.45, 0.58): 0.0133, which holds half of that: 0.0133 - 0.0068 over 1 - 1/2 is shared.
    """
    first, second = ([Arm.parse(f"p/{AB.at(d)}/{name}/dpo/s{d}") for d in range(3)] for name in ("all", "swapped"))
    lone = [Arm.parse(f"p/{Pairing('c', 'b').at(d)}/all/dpo/s{d}") for d in range(3)]
    assert by_chosen([*first, *second, *lone]) == [[(first[d], second[d]) for d in range(3)]]
    assert by_chosen([*first, *second[:2]]) == []  # on other draws, and then alone

    found = run_variance([matrix(constant(first, [0.3, 0.4, 0.5]) | constant(second, [0.4, 0.5, 0.66]))])
    assert found is not None
    family, shared = 0.0136, (0.0133 - 0.0136 / 2) / (1 - 1 / 2)
    assert (found.traces.total, found.traces.df) == (pytest.approx(family, rel=0.01), 4)
    assert (found.adds(found.chosen), found.chosen.df) == (pytest.approx(shared, rel=0.01), 2)
    assert found.of(mean_weights(first)).value == pytest.approx(family / 3, rel=0.01)
    assert found.of(mean_weights([*first, *second])).value == pytest.approx((family / 2 + shared / 2) / 3, rel=0.01)
    assert found.of(difference_weights(second, first)).value == pytest.approx(2 * family / 3, rel=0.01)


def test_a_seed_and_its_own_draw_of_traces_are_one_run():
    arms = [Arm.parse(f"p/{AB.at(number)}/all/dpo/s{number}") for number in range(3)]
    alone = Arm.parse("p/a~b/top-mean-5/dpo/s0")
    found = run_variance([matrix(constant([*arms, alone], [0.4, 0.5, 0.6, 0.5]))])
    assert found is not None
    assert (found.seeds, found.draws) == (None, None)
    assert (found.traces.total, found.traces.holds, found.traces.df) == (pytest.approx(0.01), (), 2)
    assert found.of(gain_weights(arms)).value == pytest.approx(0.01 / 3)
    assert found.of(gain_weights([alone])).value == pytest.approx(0.01)


def test_random_draws_of_pairs_lie_within_draws_of_traces():
    """Two draws of traces of 0.3 and 0.5, with two random draws 0.04 apart, of one seed each.

    Random draws: 0.0008 in two families. Traces: 0.02, which hold half of the variance between random draws.
    """
    arms = [Arm.parse(f"p/{AB.at(draw)}/random-5-s{pairs}/dpo/s0") for draw in range(2) for pairs in range(2)]
    found = run_variance([matrix(constant(arms, [0.28, 0.32, 0.48, 0.52]))])
    assert found is not None
    assert (found.draws.total, found.draws.df, found.seeds) == (pytest.approx(0.0008), 2, None)
    assert (found.traces.total, found.traces.holds, found.traces.df) == (pytest.approx(0.02), (0.5,), 1)
    assert found.of(mean_weights(arms)).value == pytest.approx(0.02 / 2)
    assert found.of(mean_weights(arms[:1])).value == pytest.approx(0.0008 + 0.02 - 0.0004)


def test_the_mean_over_draws_is_as_uncertain_as_the_mean_square_between_draws():
    variance = RunVariance(MeanSquare(0.0002, 0.0001, 9), MeanSquare(0.02, 0.001, 2, (0.5,)))
    found = variance.of(mean_weights(RANDOM))
    assert (found.value, found.df, found.mean_square) == pytest.approx((0.019 / 2, 2, 0.02 / 2))


def test_draws_that_vary_less_than_seeds_explain_add_nothing():
    variance = RunVariance(MeanSquare(0.02, 0.0, 9), MeanSquare(0.001, 0.0, 2, (0.5,)))
    assert variance.of(mean_weights(RANDOM)).value == pytest.approx(0.02 / 4)


@pytest.mark.parametrize("known", [{"seeds": MeanSquare(0.02, 0, 9)}, {"draws": MeanSquare(0.02, 0, 2)}])
def test_where_seeds_or_draws_alone_are_repeated_a_draw_counts_as_one_run(known):
    variance = RunVariance(**{"seeds": None, "draws": None, **known})
    assert variance.of(mean_weights(RANDOM)).value == pytest.approx(0.02 / 2)
    assert variance.of(mean_weights(TOP)).value == pytest.approx(0.02 / 3)


@pytest.mark.parametrize(
    ("draws", "traces"),
    [
        (None, None),
        (None, MeanSquare(0.009, 0.0005, 200, (0.5,))),
        (MeanSquare(0.004, 0.0005, 200, (0.5,)), None),
        (MeanSquare(0.004, 0.0005, 200, (0.5,)), MeanSquare(0.009, 0.0005, 200, (0.5, 0.1))),
    ],
)
def test_what_is_drawn_has_the_variance_that_is_stated(draws, traces):
    variance = RunVariance(MeanSquare(0.003, 0.001, 300), draws, traces)
    sides = [gain_weights(TOP), mean_weights(RANDOM), difference_weights(TOP, RANDOM), mean_weights(CROSSED)]
    drawn = variance.drawn([*sides, {Base("p"): 1.0}], 40_000, np.random.default_rng(0))
    assert drawn.var(axis=0)[:4] == pytest.approx([variance.of(side).value for side in sides], rel=0.04)
    assert not drawn[:, 4].any()
    assert drawn[:, 2] == pytest.approx(drawn[:, 0] - drawn[:, 1])  # the same luck in each of the numbers
