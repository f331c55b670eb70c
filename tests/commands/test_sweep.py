"""What a finished sweep says of its rates, and which one the rule picks."""

from pathlib import Path

import pytest

from prefdelta.commands.sweep import Sweep, choose, measure
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
    in_domain="near",
    out_of_domain="far",
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
    """The base solves 20 of everything, the rates 24 and 40 in domain; far: what the rates solve out of domain."""
    near, greedy = ("sampled", "near"), ("greedy", "near")
    evaluated(folder, Base("pa"), {near: 20, ("sampled", "far"): 20, greedy: 20})
    for rate, solved, out in zip(RATES, (24, 40), far, strict=True):
        arm = Arm.parse(f"pa/g3~g1/random-10-s0/dpo-{rate:g}/s0")
        evaluated(folder, arm, {near: solved, ("sampled", "far"): out, greedy: 20})
    return folder


def test_a_gain_has_an_interval_with_a_width_even_where_nothing_changes(tmp_path: Path) -> None:
    first, second = measure(SWEEP, results(tmp_path, far=(20, 20)))
    assert second.in_domain == mean_interval([1.0] * 20 + [0.0] * 40)
    assert first.in_domain.value == pytest.approx(4 / 60)
    assert (second.greedy.value, second.allowed) == (0.0, True)
    assert second.greedy.low is not None
    assert second.greedy.low < 0 < (second.greedy.high or 0)


def test_the_largest_gain_is_chosen_of_the_rates_that_lose_nothing_elsewhere(tmp_path: Path) -> None:
    assert choose(measure(SWEEP, results(tmp_path / "a", far=(20, 20)))) == 1e-4
    losing = measure(SWEEP, results(tmp_path / "b", far=(20, 2)))
    assert [trial.allowed for trial in losing] == [True, False]
    assert choose(losing) == 1e-5
