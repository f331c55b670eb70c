from pathlib import Path

import pytest

from prefdelta.core.arms import Arm
from prefdelta.records.score import Score
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.drift import check_drift
from prefdelta.store import tables


def study(root: Path, solved: dict[str, int], benchmarks: int, n: int = 40) -> Scores:
    """Scores of arms on some benchmarks of n problems; on the first each solves some more than the base's 10."""
    paths = []
    names = [f"b{number}" for number in range(benchmarks)]
    for arm, more in {"p/base": 0, **solved}.items():
        rows = [
            Score(name, f"{i:02}", 0, None, i < 10 + (more if name == "b0" else 0), "stop", 9, "key", None)
            for name in names
            for i in range(n)
        ]
        paths.append(root / f"results/tiny/evaluate/{arm}/near.parquet")
        tables.write(paths[-1], Score, rows)
    return Scores.read(paths, "tiny", names, {"near": BenchmarkGroup("Near", names, primary=True)}, Bootstrap(100, 1))


SELF = Arm.parse("p/a~a/all/dpo/s0")


def test_many_comparisons_are_corrected_for_their_number(tmp_path):
    found = [check_drift([SELF], study(tmp_path / str(m), {str(SELF): 7}, m), {}) for m in (1, 10)]
    assert [(len(one.lines), one.excluding, len(one.drifting)) for one in found] == [(1, 1, 1), (10, 1, 0)]
    assert [one.by_chance for one in found] == [pytest.approx(0.05), pytest.approx(0.5)]
    # Seven problems gained and none lost: 2 * (1/2)^7 by McNemar's exact test, of ten comparisons.
    assert found[1].lines[0].corrected == pytest.approx(10 * 2 / 2**7)


def test_the_mean_of_repeats_is_held_against_its_interval(tmp_path):
    arms = [SELF, Arm.parse("p/a~a/all/dpo/s1")]
    moved = check_drift(arms, study(tmp_path, {str(arm): 28 for arm in arms}, 1), {})
    assert (moved.excluding, len(moved.drifting)) == (1, 1)
    torn = check_drift(arms, study(tmp_path / "torn", {str(arms[0]): 28, str(arms[1]): 0}, 1), {})
    assert (len(torn.lines), torn.excluding) == (1, 0)  # runs differ too much to say


def test_only_blind_selections_of_a_generator_with_itself_are_checked(tmp_path):
    others = [Arm.parse(f"p/{name}/dpo/s0") for name in ("a~b/all", "a~a/top-mean-5")]
    arms = [SELF, *others]
    found = check_drift(arms, study(tmp_path, {str(arm): 0 for arm in arms}, 1), {})
    assert found.families == [(SELF,)]
    assert not found.drifting
    assert check_drift(arms, study(tmp_path / "sft", {str(arm): 0 for arm in arms}, 1), {SELF: "sft"}).families == []


def test_comparisons_without_an_interval_are_counted(tmp_path):
    arms = [SELF, Arm.parse("p/a~a/all/dpo/s1")]
    found = check_drift(arms, study(tmp_path, {str(arm): 0 for arm in arms}, 1, n=1), {})
    assert (len(found.lines), found.without, found.excluding) == (0, 1, 0)
