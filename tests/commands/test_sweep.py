"""What a finished sweep says of its rates, and which one the rule picks."""

from pathlib import Path

import pytest

from prefdelta.commands.sweep import Sweep, choose, measure, page
from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import mean_interval
from prefdelta.records.score import Score
from prefdelta.store import tables

RATES = [1e-5, 1e-4]
SWEEP = Sweep(
    study="study.yaml",
    recipes=["dpo"],
    learning_rates=RATES,
    policy="pa",
    pairing="g3~g1",
    selection="random-10-s0",
    benchmarks=["near", "far"],
    largest_loss=0.1,
)
ITEMS = 60


def evaluated(results: Path, arm: Arm | Base, right: dict[tuple[str, str], int]) -> None:
    """right: (group, benchmark) -> how many of its first items are solved."""
    for group in dict.fromkeys(group for group, _ in right):
        rows = [
            Score(benchmark, f"{benchmark}{item:03}", 0, None, item < solved, "stop", 9, "key", None)
            for (of, benchmark), solved in right.items()
            if of == group
            for item in range(ITEMS)
        ]
        tables.write(results / f"evaluate/{arm}/{group}.parquet", Score, rows)


def results(folder: Path, *, far: tuple[int, int]) -> Path:
    """The base solves 20 of everything, the rates 24 and 40 of near; far: what they solve of the other one greedily."""
    places = [(group, benchmark) for benchmark in SWEEP.benchmarks for group in ("sampled", "greedy")]
    base = dict.fromkeys(places, 20)
    evaluated(folder, Base("pa"), base)
    for rate, solved, out in zip(RATES, (24, 40), far, strict=True):
        arm = Arm.parse(f"pa/g3~g1/random-10-s0/dpo-{rate:g}/s0")
        evaluated(folder, arm, {**base, ("sampled", "near"): solved, ("greedy", "far"): out})
    return folder


def test_a_gain_has_an_interval_with_a_width_even_where_nothing_changes(tmp_path: Path) -> None:
    first, second = measure(SWEEP, results(tmp_path, far=(20, 20)))
    assert second.gains["near", "sampled"] == mean_interval([1.0] * 20 + [0.0] * 40)
    assert first.gains["near", "sampled"].value == pytest.approx(4 / 60)
    assert (first.mean, first.worst) == (pytest.approx(1 / 60), 0.0)  # one of four gains
    greedy = second.gains["near", "greedy"]
    assert greedy.value == 0.0
    assert greedy.low is not None
    assert greedy.low < 0 < (greedy.high or 0)


def test_the_largest_mean_gain_is_chosen_of_the_rates_that_lose_nothing_anywhere(tmp_path: Path) -> None:
    assert choose(measure(SWEEP, results(tmp_path / "a", far=(20, 20))), 0.1) == 1e-4
    losing = measure(SWEEP, results(tmp_path / "b", far=(20, 12)))  # greedy far -8 of 60, sampled near +20 of 60
    assert losing[1].worst == pytest.approx(-8 / 60)
    assert choose(losing, 0.1) == 1e-5
    assert choose(losing, 0.14) == 1e-4


def test_the_smallest_rate_is_chosen_if_all_lose(tmp_path: Path) -> None:
    assert choose(measure(SWEEP, results(tmp_path, far=(2, 1))), 0.1) == 1e-5


def test_the_page_says_of_each_rate_what_it_gains_and_whether_it_loses(tmp_path: Path) -> None:
    trials = measure(SWEEP, results(tmp_path, far=(20, 2)))
    text = page("Written before.", trials, {"near": "Maths", "far": "Code"}, 0.1)
    assert "| recipe | learning rate | Maths, sampled | Maths, greedy | Code, sampled | Code, greedy | mean | |" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| dpo")]
    assert [row[1] for row in rows] == ["1e-05", "0.0001"]
    assert [row[-2:] for row in rows] == [["+1.7", "**chosen** |"], ["+0.8", "loses |"]]
