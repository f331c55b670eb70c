from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t

from prefdelta.core.arms import Arm, Base
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import (
    mean_interval,
    mean_variance,
    paired_proportions,
    t_interval,
    wilson_interval,
    with_runs,
)
from prefdelta.records.score import Score
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.gains import difference_weights, mean_weights
from prefdelta.store import tables

BASE = Base("pico")
FIRST, SECOND = (Arm.parse(f"pico/big~small/all/dpo/s{seed}") for seed in (0, 1))
SUMS = Evaluation("near", "sums")
FAILURES = ["truncated", "time_out"]


def table(root: Path, arm: Arm | Base, rows: list[Score]) -> Path:
    path = root / f"results/tiny/evaluate/{arm}/near.parquet"
    tables.write(path, Score, rows)
    return path


def answers(solved: str, names: str | list[str], draws: int = 1) -> list[Score]:
    """solved: the problems that are solved, by their first letter."""
    return [
        Score("sums", name, draw, None, name[0] in solved, "stop", 9, "key", None)
        for name in names
        for draw in range(draws)
    ]


def scores(paths: list[Path]) -> Scores:
    groups = {"near": BenchmarkGroup("Near", ["sums"], primary=True)}
    return Scores.read(paths, "tiny", ["sums"], groups, Bootstrap(500, 1))


def test_arms_are_compared_item_by_item_whatever_the_order_of_their_tables(tmp_path):
    tables_of = {BASE: answers("", "abcd"), FIRST: answers("ab", "abcd"), SECOND: answers("b", "abcd")}
    found = scores([table(tmp_path, arm, rows) for arm, rows in reversed(tables_of.items())])
    assert (found.arms(), found.policies()) == ([FIRST, SECOND], ["pico"])
    assert found.difference((FIRST,), (SECOND,), SUMS).value == 0.25
    both = found.against_base((FIRST, SECOND), SUMS)
    assert both.difference is not None
    assert (both.accuracy.value, both.difference.value, both.seeds) == (0.375, 0.375, ["0", "1"])


def test_items_that_one_side_lacks_are_left_out_of_the_difference(tmp_path):
    found = scores([table(tmp_path, BASE, answers("", "abcd")), table(tmp_path, FIRST, answers("ab", "bcde"))])
    line = found.against_base((FIRST,), SUMS)
    assert line.difference is not None
    assert (line.accuracy, line.difference.value) == (replace(wilson_interval(1, 4), run_df=0), pytest.approx(1 / 3))
    assert (line.items, line.paired, line.unpaired) == (4, 3, 2)


def test_without_a_base_there_is_no_difference(tmp_path):
    found = scores([table(tmp_path, FIRST, answers("ab", "abcd"))])
    assert found.against_base((FIRST,), SUMS).difference is None
    with pytest.raises(StudyError, match=r"pico/base on sums \(near\)"):
        found.check([FIRST])


def test_draws_of_one_problem_are_one_thing(tmp_path):
    found = scores([table(tmp_path, BASE, answers("a", "ab", draws=16))])
    line = found.base("pico", SUMS)
    assert (found.draws(SUMS), line.items, line.accuracy.n) == (16, 32, 2)


def test_items_that_repeat_a_problem_count_each_and_are_drawn_together(tmp_path):
    """Ten problems, five solved; one of the five stands there six times. By hand: 10 of 15, and 10 things to draw."""
    names = [*"abcdefghij", *(f"a.{time}" for time in range(2, 7))]
    paths = [table(tmp_path, BASE, answers("", names)), table(tmp_path, FIRST, answers("abcde", names))]
    found = scores(paths)
    line = found.against_base((FIRST,), SUMS)
    assert line.difference is not None
    # The ratio estimator, linearised: 2/3 + (rows / 1.5) (outcome - 2/3) of ten problems.
    values = [2 / 3 + 4 * (1 / 3)] + [2 / 3 + (1 / 1.5) * (1 / 3)] * 4 + [2 / 3 - (1 / 1.5) * (2 / 3)] * 5
    half = float(t.ppf(0.975, 9) * np.std(values, ddof=1)) / 10**0.5
    for estimate in (line.accuracy, line.difference):
        assert (estimate.value, estimate.n) == (pytest.approx(10 / 15), 10)
        assert estimate.high - estimate.low == pytest.approx(2 * half)
    assert (line.items, line.counted, line.paired) == (15, 15, 15)
    assert found.weighted_difference({FIRST: 1.0, BASE: -1.0}, [SUMS]).value == pytest.approx(10 / 15)


def test_a_table_that_is_given_twice_is_an_error_that_names_the_arm(tmp_path):
    path = table(tmp_path, BASE, answers("", "ab"))
    with pytest.raises(StudyError, match="pico/base has answered an item of sums twice"):
        scores([path, path])


def test_rows_that_do_not_count_are_told_from_wrong_ones(tmp_path):
    """Truncated counts as wrong; a time-out does not count."""
    failed = [
        Score("sums", name, 0, None, None, "stop", 9, "key", failure)
        for name, failure in zip("cd", FAILURES, strict=True)
    ]
    found = scores([table(tmp_path, BASE, [*answers("a", "ab"), *failed])])
    line = found.base("pico", SUMS)
    assert (line.accuracy.value, line.items, line.counted, line.truncated) == (pytest.approx(1 / 3), 4, 3, 0.25)
    assert (found.rows, found.not_counted) == (4, 1)


def test_a_benchmark_that_the_study_does_not_have_is_an_error(tmp_path):
    path = table(tmp_path, BASE, [Score("other", "a", 0, None, True, "stop", 9, "key", None)])
    with pytest.raises(StudyError, match="there are rows of other; the benchmarks are sums"):
        scores([path])


NAMES = [f"{letter}{number}" for letter in "abcde" for number in range(10)]


def test_single_arms_that_differ_on_few_problems_get_tangos_interval(tmp_path):
    """One letter is ten problems. 10 and 10 of 50 differ; or 10 and 20, which is more than 25."""
    found = scores([table(tmp_path, FIRST, answers("ab", NAMES)), table(tmp_path, SECOND, answers("bc", NAMES))])
    single = found.weighted_difference({FIRST: 1.0, SECOND: -1.0}, [SUMS])
    runs = found.run_variance([SUMS])
    assert runs is not None
    assert single == with_runs(paired_proportions(10, 10, 50), runs.of({FIRST: 1.0, SECOND: -1.0}), 1)
    more = scores(
        [table(tmp_path / "more", arm, answers(solved, NAMES)) for arm, solved in ((FIRST, "a"), (SECOND, "bc"))]
    )
    assert more.weighted_difference({FIRST: 1.0, SECOND: -1.0}, [SUMS]).se is not None


def test_what_is_known_of_runs_stands_beside_the_interval(tmp_path):
    paths = [table(tmp_path, arm, answers(solved, NAMES)) for arm, solved in ((BASE, "a"), (FIRST, "ab"))]
    found = scores(paths)
    assert found.base("pico", SUMS).accuracy.run_df is None  # an untrained policy is no run
    assert found.against_base((FIRST,), SUMS).difference.run_df == 0  # nothing is repeated: items only
    repeated = scores([*paths, table(tmp_path, SECOND, answers("abc", NAMES))])
    both = repeated.against_base((FIRST, SECOND), SUMS).difference
    assert both.run_df == 1
    assert found.against_base((FIRST,), SUMS).accuracy.run_df == 0


def test_the_variance_of_a_gain_is_that_of_items_and_of_runs(tmp_path):
    """Two runs of 50 problems: 20 and 30 solved, 10 by the base, each of a letter's ten."""
    solved = {BASE: "a", FIRST: "ab", SECOND: "abc"}
    found = scores([table(tmp_path, arm, answers(letters, NAMES)) for arm, letters in solved.items()])
    gain = found.weighted_difference({FIRST: 0.5, SECOND: 0.5, BASE: -1.0}, [SUMS])
    items = mean_variance(np.array([0.0] * 10 + [1.0] * 10 + [0.5] * 10 + [0.0] * 20))
    runs = found.run_variance([SUMS])
    assert runs is not None
    # Residuals: the runs differ by 1 on ten problems, by 0.2 in the mean: 0.5 (10 x 0.8² + 40 x 0.2²) over 49 x 50.
    assert runs.seeds.total == pytest.approx(0.02)
    assert runs.seeds.answers == pytest.approx(0.5 * (10 * 0.8**2 + 40 * 0.2**2) / 49 / 50)
    assert gain == t_interval(gain.value, 50, [items, runs.seeds.times(0.5)], 1)


def test_an_interval_of_sixteen_samples_knows_that_one_of_them_moves_little(tmp_path):
    """Where arm and base are equal on each problem, the interval is a sixteenth of that of single answers."""
    wide, narrow = (
        scores([table(tmp_path / str(draws), arm, answers("ab", NAMES, draws)) for arm in (BASE, FIRST)])
        for draws in (1, 16)
    )
    several = narrow.against_base((FIRST,), SUMS).difference
    assert several.high == pytest.approx(mean_interval([0.0] * 50).high / 16)
    assert wide.against_base((FIRST,), SUMS).difference.high > 10 * several.high


def test_a_function_of_sums_holds_the_luck_of_runs(tmp_path):
    """A difference as a function, drawn, is the difference in closed form."""
    chance = np.random.default_rng(1)
    arms = [Arm.parse(f"pico/big~small/top-mean-{k}/dpo/s{seed}") for k in (1, 2) for seed in (0, 1, 2)]
    names = [f"{number:03}" for number in range(400)]
    paths = []
    for arm in arms:
        right = chance.random(400) < 0.5 + chance.normal(0, 0.05)
        rows = [
            Score("sums", name, 0, None, bool(one), "stop", 9, "key", None)
            for name, one in zip(names, right, strict=True)
        ]
        paths.append(table(tmp_path, arm, rows))
    found = scores(paths)
    sides = [mean_weights(arms[:3]), mean_weights(arms[3:])]
    drawn = found.of_accuracies(sides, [SUMS], lambda sums: sums[..., 0] - sums[..., 1], "difference")
    closed = found.weighted_difference(difference_weights(arms[:3], arms[3:]), [SUMS])
    assert (drawn.value, drawn.run_df) == (pytest.approx(closed.value), 4)
    assert drawn.high - drawn.low == pytest.approx(closed.high - closed.low, rel=0.15)
