"""The price of each claim, on a plan of few jobs whose hours are known."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from prefdelta.commands.planning.amounts import Amount
from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.commands.planning.power import Power
from prefdelta.commands.planning.price import price_of
from prefdelta.commands.planning.work import JobWork
from prefdelta.reporting.worlds.power import SmallestEffect

RESULTS = Path("results/study")
ONE, TWO, THREE, FOUR = (f"p/{pairs}/dpo/s0" for pairs in ("b~a/all", "b~a/swapped", "c~a/all", "d~a/all"))


def job(
    name: str, hours: float, writes: Sequence[str], reads: Sequence[str] = (), settings: str = "{}"
) -> tuple[PlannedJob, JobWork]:
    planned = PlannedJob(
        stage=name.partition("/")[0],
        name=name,
        inputs={"some": [RESULTS / path for path in reads]},
        outputs={"some": [RESULTS / path for path in writes]},
        manifest=RESULTS / f"{name}.manifest.json",
        settings=settings,
        code="",
        record=RESULTS / "record",
        reason="",
        gpus=1,
        minutes=1,
    )
    return planned, JobWork(gpu_hours=Amount(hours))


def batch(stage: str, name: str, hours: float, arms: Sequence[str], reads: Sequence[str]) -> tuple[PlannedJob, JobWork]:
    return job(f"{stage}/{name}", hours, [f"{stage}/{arm}/out" for arm in arms], reads)


WORKS = [
    job("generate/a", 100, ["generate/a.parquet"]),
    job("generate/b", 10, ["generate/b.parquet"]),
    job("judge/b", 7, ["judge/b.parquet"], ["generate/b.parquet"]),
    job("delta/b~a/mean", 0, ["delta/b~a/mean.parquet"], ["judge/b.parquet"]),
    job("pair/b~a", 0, ["pair/b~a.parquet"], ["generate/a.parquet", "generate/b.parquet"]),
    job("pair/c~a", 0, ["pair/c~a.parquet"], ["generate/a.parquet"]),
    batch("train", "b", 4, [ONE, TWO], ["pair/b~a.parquet"]),
    batch("train", "c", 3, [THREE], ["pair/c~a.parquet"]),
    batch("train", "d", 0.5, [FOUR], []),
    batch("evaluate", "b", 2, [ONE, TWO], [f"train/{ONE}/out", f"train/{TWO}/out"]),
    batch("evaluate", "c", 1, [THREE], [f"train/{THREE}/out"]),
    batch("evaluate", "base", 5, ["p/base"], []),
]


def number(*arms: str, deltas: Sequence[str] = ()) -> SmallestEffect:
    return SmallestEffect("title", "points", 1.0, 2.0, 3, frozenset(arms), frozenset(deltas))


@pytest.fixture
def prices():
    claims = {
        "first": [number(ONE, "p/base"), number(TWO, "p/base")],
        "second": [number(TWO), number(THREE)],
        "judged": [number(deltas=["b~a/mean"])],
        "lacking": [],
    }
    return price_of(WORKS, Power(claims, None))  # type: ignore[arg-type]


def test_a_claim_costs_its_arms_and_all_that_they_stand_on(prices):
    both = 4 + 2  # training and evaluation of one and two
    assert prices.unit == "GPU-hours"
    assert {claim: (price.arms, price.hours.value) for claim, price in prices.claims.items()} == {
        "first": (2, 100 + 10 + both + 5),
        "second": (2, 100 + 10 + both / 2 + 3 + 1),
        "judged": (0, 10 + 7),
        "lacking": (0, 0),
    }


def test_what_is_saved_without_a_claim_is_what_nothing_else_needs(prices):
    assert {claim: price.alone.value for claim, price in prices.claims.items()} == {
        "first": 3 + 5,  # arm one, and the untrained policy
        "second": 3 + 1,  # arm three
        "judged": 7,
        "lacking": 0,
    }


def test_arms_of_no_claim_and_what_claims_share_are_stated(prices):
    assert (prices.rest.arms, prices.rest.hours.value, prices.rest.alone.value) == (1, 0.5, 0.5)
    assert prices.together.value == 100 + 10 + 7 + 4 + 2 + 3 + 1 + 5
    each = sum(price.hours.value for price in prices.claims.values())
    assert prices.shared.value == pytest.approx(each - prices.together.value)
    assert prices.shared.value > 100


def test_an_arm_of_a_batch_of_a_policy_costs_what_it_stands_on_itself():
    near, far, later = "p/b~a/top-mean-5/dpo/s0", "p/d~c/top-mean-5/dpo/s0", "p/b~a/top-mean-5/dpo/s1"
    tables = {near: "b~a/top-mean-5/t0", far: "d~c/top-mean-5/t0", later: "b~a/top-mean-5/t1"}
    generators = {"a": 1000, "b": 100, "c": 10, "d": 1}
    made = [job(f"generate/{name}", hours, [f"generate/{name}.parquet"]) for name, hours in generators.items()]
    pairs = [
        job(f"pair/{name}", 0, [f"pair/{name}.parquet"], [f"generate/{one}.parquet" for one in name.split("~")])
        for name in ("b~a", "d~c")
    ]
    selected = [
        job(f"filter/{table}", 0.25, [f"filter/{table}.parquet"], [f"pair/{table.split('/')[0]}.parquet"])
        for table in tables.values()
    ]
    whole = [*made, *pairs, *selected]
    reads = [path.relative_to(RESULTS).as_posix() for planned, _ in whole for path in planned.writes]
    train = job("train/p/b~a/dpo", 3, [f"train/{arm}/out" for arm in tables], reads, json.dumps({"arms": tables}))
    claims = {arm: [number(arm)] for arm in tables}
    found = price_of([*whole, train], Power(claims, None)).claims  # type: ignore[arg-type]
    assert {arm: price.hours.value for arm, price in found.items()} == {
        near: 1000 + 100 + 0.25 + 1,
        far: 10 + 1 + 0.25 + 1,
        later: 1000 + 100 + 0.25 + 1,
    }
