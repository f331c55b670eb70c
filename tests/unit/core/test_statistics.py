import math
import random

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import t, ttest_ind, ttest_rel
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from prefdelta.core.statistics import (
    NOTHING,
    Estimate,
    Variance,
    holm,
    mcnemar,
    mean_interval,
    mean_variance,
    minimum_detectable,
    p_above,
    p_below,
    paired_proportions,
    rank_correlation,
    ratio_interval,
    scaled,
    t_interval,
    wilson_interval,
    with_runs,
)


def within(covered: int, trials: int, low: float = 0.93, high: float = 0.97) -> bool:
    """Whether so many of the trials are within these shares, but for three standard errors of the simulation."""
    error = 3 * math.sqrt(0.95 * 0.05 / trials)
    return low - error <= covered / trials <= high + error


def test_wilson_by_hand():
    # 8 of 10: centre (0.8 + z²/20) / (1 + z²/10), half width z·√(0.8·0.2/10 + z²/400) / (1 + z²/10), z = 1.959964
    z = 1.959964
    centre = (0.8 + z**2 / 20) / (1 + z**2 / 10)
    half = z * math.sqrt(0.8 * 0.2 / 10 + z**2 / 400) / (1 + z**2 / 10)
    found = wilson_interval(8, 10)
    assert (found.value, found.n) == (0.8, 10)
    assert found.low == pytest.approx(centre - half, abs=1e-6) == pytest.approx(0.490162, abs=1e-6)
    assert found.high == pytest.approx(centre + half, abs=1e-6) == pytest.approx(0.943318, abs=1e-6)


@pytest.mark.parametrize("successes", [0, 5])
def test_wilson_stays_within_bounds_and_has_a_width_at_the_ends(successes):
    found = wilson_interval(successes, 5)
    assert 0 <= found.low < found.high <= 1


def test_nothing_has_no_value():
    assert wilson_interval(0, 0) == NOTHING == mean_interval([]) == paired_proportions(0, 0, 0)
    assert NOTHING.value is None


def test_one_value_has_no_interval():
    found = mean_interval([1.0])
    assert (found.value, found.low, found.high, found.n) == (1.0, None, None, 1)


def test_mean_interval_is_students():
    values = np.random.default_rng(1).normal(2, 3, size=12)
    found = mean_interval(values.tolist())
    expected = ttest_rel(values, np.zeros(12)).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.df, found.n) == (pytest.approx(11), 12)


@pytest.mark.parametrize("n", [5, 40, 1500])
def test_where_all_values_are_equal_the_interval_has_a_width(n):
    """By hand: of n zeros, 1 and -1, the variance is 2 / (n + 1), over n + 2."""
    found = mean_interval([0.0] * n)
    half = t.ppf(0.975, n - 1) * math.sqrt(2 / (n + 1) / (n + 2))
    assert (found.value, found.low, found.high) == pytest.approx((0.0, -half, half))


def test_the_order_of_values_does_not_matter():
    values = np.random.default_rng(1).normal(size=300).tolist()
    assert mean_interval(values) == mean_interval(values[::-1])


def test_a_step_is_what_one_observation_can_move():
    sixteenth = mean_interval([0.0] * 30, step=1 / 16)
    assert sixteenth.high == pytest.approx(mean_interval([0.0] * 30).high / 16)


def test_values_that_are_not_mostly_equal_are_left_as_they_are():
    values = np.array([0.0] * 12 + [0.25, -0.25] * 6)
    assert mean_variance(values) == Variance(float(values.var(ddof=1)) / 24, 23)


@pytest.mark.parametrize(
    ("up", "down", "n"), [(0.01, 0.005, 300), (0.004, 0.004, 1500), (0.05, 0.0, 60), (0.3, 0.2, 30)]
)
def test_the_mean_of_few_values_that_differ_is_covered(up, down, n):
    """Never less than 93%; more where next to nothing differs, as with any interval of a count that small."""
    chance = np.random.default_rng(3)
    covered = 0
    for ups, downs in zip(chance.binomial(n, up, 600), chance.binomial(n, down, 600), strict=True):
        found = mean_interval([1.0] * ups + [-1.0] * downs + [0.0] * (n - ups - downs))
        covered += found.low <= up - down <= found.high
    assert within(covered, 600, high=1.0)


def test_welch_by_scipy():
    """Two independent means: the degrees of freedom of Satterthwaite are those of Welch's test."""
    chance = np.random.default_rng(2)
    first, second = chance.normal(1, 1, size=9), chance.normal(0, 4, size=14)
    parts = [Variance(float(side.var(ddof=1)) / len(side), len(side) - 1) for side in (first, second)]
    found = t_interval(float(first.mean() - second.mean()), 23, parts)
    test = ttest_ind(first, second, equal_var=False)
    expected = test.confidence_interval()
    assert (found.low, found.high, found.df) == pytest.approx((expected.low, expected.high, test.df))
    assert p_above(found, 0.0) == pytest.approx(ttest_ind(first, second, equal_var=False, alternative="greater").pvalue)


def test_a_variance_that_another_one_was_subtracted_from_is_as_uncertain_as_its_mean_square():
    assert t_interval(0.0, 9, [Variance(1.0, 8, 2.0), Variance(3.0, 100)]).df == pytest.approx(16 / (4 / 8 + 9 / 100))
    assert t_interval(0.0, 9, []) == Estimate(0.0, None, None, 9)


def test_paired_differences_are_narrower_than_their_sides_are_apart():
    random_ = random.Random(5)
    base = [random_.random() < 0.5 for _ in range(400)]
    arm = [solved or random_.random() < 0.1 for solved in base]  # never worse: the pairs know that, the sides do not
    found = mean_interval([int(a) - int(b) for a, b in zip(arm, base, strict=True)])
    sides = [wilson_interval(sum(side), 400) for side in (base, arm)]
    assert found.low > 0
    assert sides[0].high > sides[1].low


def test_tango_and_mcnemar_by_a_textbook():
    """Complete response before and after therapy (Cavo et al. 2012): 59 and 80 alike, 6 and 16 not, of 161.

    Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables (2017), chapter 8; the figures are those
    of the tests of their R package contingencytables: Tango -0.0621 (-0.1240 to -0.0054), McNemar exact P = 0.052479.
    """
    found = paired_proportions(6, 16, 161)
    assert (found.value, found.low, found.high) == pytest.approx((-0.0621, -0.1240, -0.0054), abs=5e-5)
    assert mcnemar(6, 16) == pytest.approx(0.052479, abs=5e-7)


@pytest.mark.parametrize(("first", "second", "n"), [(1, 7, 21), (40, 20, 160), (9, 2, 43), (5, 0, 40), (3, 3, 12)])
def test_tango_by_the_likelihood(first, second, n):
    """The score statistic with its nuisance share found by maximising the likelihood of three outcomes numerically."""

    def score(difference):
        def loss(share):  # of items that only the second side has right
            both = (first, share + difference), (second, share), (n - first - second, 1 - 2 * share - difference)
            return -sum(count * math.log(chance) for count, chance in both if count)

        lowest, highest = max(0.0, -difference), (1 - difference) / 2
        share = minimize_scalar(
            loss, bounds=(lowest + 1e-12, highest - 1e-12), method="bounded", options={"xatol": 1e-12}
        ).x
        return (first - second - n * difference) / math.sqrt(n * (2 * share + difference - difference**2))

    found = paired_proportions(first, second, n)
    low = brentq(lambda d: score(d) - 1.959964, -0.99, found.value)
    high = brentq(lambda d: score(d) + 1.959964, found.value, 0.99)
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-5)


def test_tango_has_a_width_and_stays_within_bounds_whatever_the_counts():
    for n in (1, 2, 7):
        for first in range(n + 1):
            for second in range(n + 1 - first):
                found = paired_proportions(first, second, n)
                assert -1 <= found.low <= found.value <= found.high <= 1
                assert found.low < found.high
                assert paired_proportions(second, first, n).low == pytest.approx(-found.high)


@pytest.mark.parametrize(("up", "down", "n"), [(0.02, 0.02, 500), (0.03, 0.01, 200), (0.3, 0.1, 30)])
def test_tango_is_covered(up, down, n):
    chance = np.random.default_rng(4)
    counts = chance.multinomial(n, [up, down, 1 - up - down], size=600)
    found = [paired_proportions(int(first), int(second), n) for first, second, _ in counts]
    assert within(sum(one.low <= up - down <= one.high for one in found), 600)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (6, 16), (30, 12), (7, 7)])
def test_mcnemar_by_statsmodels(first, second):
    expected = statsmodels_mcnemar([[50, first], [second, 50]], exact=True).pvalue
    assert mcnemar(first, second) == pytest.approx(expected)


def test_the_variance_between_runs_widens_an_interval_that_is_not_symmetric():
    """By hand: halves 0.01 and 0.03, and t(4) x 0.01 = 0.027764 between runs."""
    found = with_runs(Estimate(0.02, 0.01, 0.05, 100), Variance(0.0001, 4), 4)
    assert (found.low, found.high) == pytest.approx(
        (0.02 - math.hypot(0.01, 0.0277645), 0.02 + math.hypot(0.03, 0.0277645)), abs=1e-6
    )
    assert found.run_df == 4


INTERVALS = [
    t_interval(1.5, 20, [Variance(0.5, 7)]),
    paired_proportions(9, 2, 43),
    paired_proportions(0, 3, 30),
    with_runs(paired_proportions(5, 1, 100), Variance(0.0004, 5), 5),
    Estimate(0.5, 0.1, 0.6, 40, 0.12, 39),
]


@pytest.mark.parametrize("estimate", INTERVALS)
def test_p_is_a_fortieth_where_the_interval_ends(estimate):
    assert p_above(estimate, estimate.low) == pytest.approx(0.025)
    assert p_below(estimate, estimate.high) == pytest.approx(0.025)
    assert p_above(estimate, estimate.low - 0.01) < 0.025 < p_above(estimate, estimate.low + 0.01)
    assert p_above(estimate, estimate.value) == pytest.approx(0.5)


def test_without_an_interval_nothing_is_above_or_below():
    for estimate in (NOTHING, Estimate(1.0, None, None, 1)):
        assert (p_above(estimate, -9.0), p_below(estimate, 9.0), minimum_detectable(estimate)) == (1.0, 1.0, None)


def test_a_unit_changes_the_interval_and_no_p():
    estimate = INTERVALS[0]
    points = scaled(estimate, 100.0)
    assert (points.value, points.se) == (pytest.approx(150.0), pytest.approx(100 * math.sqrt(0.5)))
    assert p_above(points, 20.0) == pytest.approx(p_above(estimate, 0.2))


@pytest.mark.parametrize("n", [12, 60, 1500])
def test_the_minimum_detectable_effect_by_statsmodels(n):
    """Bloom's multiples are within 2% of the exact power of a paired t test of 12 pairs, and closer for more."""
    found = minimum_detectable(t_interval(0.0, n, [Variance(1 / n, n - 1)]))
    exact = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert found == pytest.approx(exact, rel=0.02 if n < 60 else 0.003)


def test_an_interval_without_a_standard_error_counts_by_its_half_width():
    interval = paired_proportions(4, 4, 400)
    expected = (1.959964 + 0.841621) / 1.959964 * (interval.high - interval.low) / 2
    assert minimum_detectable(interval) == pytest.approx(expected)


def test_holm_by_hand():
    """0.005, 0.01, 0.03, 0.04: times 4, 3, 2 and 1, and never below the one before (Holm 1979, section 3)."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_holm_and_student_are_those_of_the_libraries_bit_by_bit():
    chance = np.random.default_rng(6)
    for n in (1, 2, 7, 40):
        p_values = [*chance.random(n).tolist(), 0.25, 0.25, 0.0, 1.0]
        assert holm(p_values) == multipletests(p_values, method="holm")[1].tolist()
    for df in [1.0, 2.5, 30.0, 1e6, *chance.uniform(1, 300, 50).tolist()]:
        made = t_interval(0.0, 9, [Variance(1.0, df)])
        assert made.high == t.ppf(0.975, made.df)
        assert p_above(made, -0.5) == t.sf(0.5 / made.high * made.high, made.df)


def test_holm_is_right_for_all_at_once():
    """Of ten p values of nothing, at least one is below 0.05 in 5% of studies at most."""
    chance = np.random.default_rng(5)
    wrong = sum(min(holm(chance.random(10).tolist())) < 0.05 for _ in range(1000))
    assert wrong / 1000 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_fieller_is_the_set_of_ratios_that_a_t_test_does_not_reject():
    """Fieller 1954: the ends are the ratios r at which |x - r y| is t standard errors, sqrt(v11 - 2 r v12 + r² v22)."""
    x, y, covariance, df = 3.0, 4.0, ((0.25, 0.05), (0.05, 0.36)), 12.0
    ends = ratio_interval(x, y, covariance, df)
    for end in ends:
        error = math.sqrt(covariance[0][0] - 2 * end * covariance[0][1] + end**2 * covariance[1][1])
        assert abs(x - end * y) / error == pytest.approx(t.ppf(0.975, df))
    assert ends[0] < 0.75 < ends[1]


def test_a_ratio_over_what_may_be_nothing_has_no_interval():
    assert ratio_interval(1.0, 1.0, ((0.1, 0.0), (0.0, 0.3)), 1000.0) == (None, None)


def test_fieller_is_covered():
    chance = np.random.default_rng(6)
    truth, covariance, n = 0.8, np.array([[4.0, 2.0], [2.0, 3.0]]), 25
    covered = 0
    for _ in range(1000):
        sample = chance.multivariate_normal([1.6, 2.0], covariance, size=n)
        low, high = ratio_interval(*sample.mean(axis=0), np.cov(sample.T) / n, n - 1)
        covered += low is None or low <= truth <= high  # none: any ratio may be
    assert within(covered, 1000)


def test_rank_correlation_by_hand():
    # Ranks 1 2 3 4 5 against 2 1 4 3 5: rho = 1 - 6 * 4 / (5 * 24) = 0.8
    found = rank_correlation([1, 2, 3, 4, 5], [20, 10, 40, 30, 50])
    assert (found.value, found.n) == (pytest.approx(0.8), 5)
    half = 1.959964 * math.sqrt((1 + 0.8**2 / 2) / 2)
    assert found.low == pytest.approx(math.tanh(math.atanh(0.8) - half), abs=1e-6)
    assert found.high == pytest.approx(math.tanh(math.atanh(0.8) + half), abs=1e-6)


def test_rank_correlation_of_a_constant_has_no_value():
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).value is None
    assert rank_correlation([], []) == NOTHING


def test_a_perfect_rank_correlation_has_no_interval():
    found = rank_correlation([1, 2, 3, 4, 5], [1, 4, 9, 16, 25])
    assert (found.value, found.low) == (pytest.approx(1.0), None)


def test_rank_correlation_covers_zero_for_unrelated_values():
    random_ = random.Random(9)
    covered = 0
    for _ in range(300):
        x, y = ([random_.randint(-4, 4) for _ in range(60)] for _ in range(2))
        found = rank_correlation(x, y)
        covered += found.low <= 0 <= found.high
    assert within(covered, 300)
