from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t

from prefdelta.core.arms import Arm, Base
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import wilson_interval
from prefdelta.records.score import Score
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.store import tables

BASE = Base("pico")
FIRST, SECOND = (Arm.parse(f"pico/big~small/all/dpo/s{seed}") for seed in (0, 1))
SUMS = Evaluation("near", "sums")


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
    assert (both.accuracy.value, both.difference.value, both.seeds) == (0.375, 0.375, [0, 1])


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
