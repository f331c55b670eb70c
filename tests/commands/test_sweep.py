"""What a finished sweep says of its rates, and which one the rule picks."""

from pathlib import Path

import pytest
import yaml

from prefdelta.commands.sweep import Sweep, choose, derive, measure, page
from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import mean_interval
from prefdelta.records.score import Score
from prefdelta.store import tables
from prefdelta.study.study import Study

ROOT = Path(__file__).parents[2]
RATES = [1e-5, 1e-4]
SWEEP = Sweep(
    study="study.yaml",
    recipes=["dpo"],
    learning_rates=RATES,
    policy="pa",
    pairing="g3~g1",
    selection="random-10-s0",
    benchmarks=["near", "far"],
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
    """The base solves 20 of everything, the rates 24 and 40 in all places but one; far: what they solve there."""
    places = [(group, benchmark) for benchmark in SWEEP.benchmarks for group in ("sampled", "greedy")]
    evaluated(folder, Base("pa"), dict.fromkeys(places, 20))
    for rate, solved, out in zip(RATES, (24, 40), far, strict=True):
        arm = Arm.parse(f"pa/g3~g1/random-10-s0/dpo-{rate:g}/s0")
        evaluated(folder, arm, {**dict.fromkeys(places, solved), ("greedy", "far"): out})
    return folder


def test_a_gain_has_an_interval_with_a_width_even_where_nothing_changes(tmp_path: Path) -> None:
    first, second = measure(SWEEP, results(tmp_path, far=(20, 20)))
    assert second.gains["near", "sampled"] == mean_interval([1.0] * 20 + [0.0] * 40)
    assert first.gains["near", "greedy"].value == pytest.approx(4 / 60)
    nothing = second.gains["far", "greedy"]
    assert nothing.value == second.smallest == 0.0
    assert nothing.low is not None
    assert nothing.low < 0 < (nothing.high or 0)


@pytest.mark.parametrize(
    ("far", "rate"),
    [
        ((24, 30), 1e-4),  # smallest gains 4 and 10 of 60
        ((24, 23), 1e-5),  # 4 and 3: what the larger rate gains elsewhere does not count
        ((12, 11), 1e-5),  # both lose; the smaller rate loses less
        ((22, 22), 1e-5),  # equally good: the smaller rate
    ],
)
def test_the_rate_whose_smallest_gain_is_largest_is_chosen(tmp_path: Path, far: tuple[int, int], rate: float) -> None:
    assert choose(measure(SWEEP, results(tmp_path, far=far))) == rate


def test_the_page_says_of_each_rate_what_it_gains_and_which_is_chosen(tmp_path: Path) -> None:
    text = page("The rule.", measure(SWEEP, results(tmp_path, far=(21, 2))), {"near": "Maths", "far": "Code"})
    assert "| Maths, sampled | Maths, greedy | Code, sampled | Code, greedy | smallest | |" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| dpo")]
    assert [row[1] for row in rows] == ["1e-05", "0.0001"]
    assert [row[-2:] for row in rows] == [["+1.7", "**chosen** |"], ["-30.0", " |"]]


def test_the_study_of_a_sweep_has_one_arm_per_rate_and_nothing_that_speaks_of_other_pairings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    sweep = Sweep.model_validate(yaml.safe_load(Path("resources/studies/sweep.yaml").read_text(encoding="utf-8")))
    served = yaml.safe_load(Path(sweep.study).read_text(encoding="utf-8"))
    served["judge"]["others"] = {"second": {"pairings": ["g3~g1"], "votes": 2}}
    served["annotations"] = ["s-0123456789"]
    study = Study(derive(sweep, served), "sweep")
    arms = [str(arm) for job in study.jobs("train") for arm in job.arms]
    rates = [(recipe, rate) for recipe in sweep.recipes for rate in sweep.learning_rates]
    assert arms == [f"pa/g3~g0/random-1000-s0/{recipe}-{rate:g}/s0" for recipe, rate in rates]
    assert not any("@" in job.name for job in study.all_jobs)
    assert study.input("report", "annotations")({}) == []
