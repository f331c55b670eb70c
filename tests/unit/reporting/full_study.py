"""The inputs of a report of the full study's size, drawn by a seed: as many arms and benchmarks, with fewer items.

`python -m tests.unit.reporting.full_study FOLDER SCALE` writes the page of such a study; a scale of 1 has the real
number of items.
"""

import json
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.records.score import Score
from prefdelta.stages import report
from prefdelta.store import tables
from prefdelta.workflow.job import Job

RESOURCES = Path(__file__).parents[3] / "resources"
STUDY = "full"
LOGIC = ["factuality", "strategy_coherence", "step_coherence", "computational_precision"]
DIMENSIONS = [*LOGIC, "signal_to_noise", "mean"]
KS = (1000, 2500, 5000, 10000)
SEEDS = (0, 1, 2)
# name -> capability of the traces, logit; r1's come from a data set
GENERATORS = {"s1-3b": -0.2, "s1-7b": 0.4, "s1-14b": 0.8, "s1-32b": 1.1, "r1": 1.6}
REJECTED = "s1-3b"


@dataclass(frozen=True)
class Bench:
    title: str
    domain: str
    difficulty: str | None
    items: int
    draws: int
    logit: float  # of the untrained policy


BENCHMARKS = {
    "gsm8k": Bench("GSM8K", "maths", "easy", 1319, 1, 2.2),
    "math_500": Bench("MATH-500", "maths", "easy", 500, 1, 2.0),
    "amc": Bench("AMC", "maths", "hard", 83, 16, 0.6),
    "aime_2024": Bench("AIME 2024", "maths", "hard", 30, 16, -0.2),
    "aime_2025": Bench("AIME 2025", "maths", "hard", 30, 16, -0.6),
    "olympiadbench": Bench("OlympiadBench", "maths", "hard", 675, 1, 0.2),
    "theoremqa": Bench("TheoremQA", "stem", None, 800, 1, -0.2),
    "mmlu_pro": Bench("MMLU-Pro", "stem", None, 12032, 1, 0.1),
    "livecodebench": Bench("LiveCodeBench", "code", None, 400, 1, -0.6),
}
GROUPS = {
    domain: [name for name, bench in BENCHMARKS.items() if bench.domain == domain]
    for domain in ("maths", "stem", "code")
}


def experiments() -> dict[str, report.ReportExperiment]:
    """The arms of the full study, in the paper's experiments and their controls."""
    pairings = [f"{name}~{REJECTED}" for name in GENERATORS]
    widest, compared = pairings[3], [pairings[1], *pairings[3:]]
    dimensions = [f"top-{name}-{k}" for name in DIMENSIONS if name != "mean" for k in KS]
    controls = [f"top-mean-{k}" for k in KS]
    opposed = [f"{kind}-{name}" for kind in ("bottom", "matched-length") for name in ("mean", "step_coherence")]
    controls += [f"{name}-{k}" for name in opposed for k in (1000, 5000)]
    controls += [f"random-{k}-s{draw}" for k in (1000, 2500, 10000) for draw in range(3)]
    claimed = ["top-mean-5000", *(f"random-5000-s{draw}" for draw in range(3))]
    repeated = [f"{kind}-step_coherence-1000" for kind in ("top", "bottom", "matched-length")]
    repeated += [f"random-1000-s{draw}" for draw in range(3)]
    cells = [f"cell-{a}-{b}" for a in ("right", "wrong") for b in ("right", "wrong")]
    common = ["common-scaling"]
    return {
        "methods": _experiment(
            "SFT, DPO and KTO on traces of weaker and of stronger generators",
            "methods",
            _arms(compared, common, ["sft", "dpo", "kto"], SEEDS),
        ),
        "methods_lora": _experiment(
            "SFT, DPO and KTO with LoRA", "methods", _arms(compared, common, ["sft-lora", "dpo-lora", "kto-lora"], [0])
        ),
        "scaling": _experiment(
            "Does a larger generator delta help?", "scaling", _arms(pairings, common, ["dpo"], SEEDS)
        ),
        "cells": _experiment("Correct or not?", "cells", _arms([widest], cells, ["dpo"], SEEDS)),
        "filtering": _experiment(
            "Which pairs help, and how many?", "filtering", _arms([widest], [*dimensions, "all"], ["dpo"], SEEDS)
        ),
        "filtering_controls": _experiment(
            "Is it the delta, or only fewer pairs, or only length?",
            "filtering",
            _arms([widest], controls, ["dpo"], [0]),
        ),
        "filtering_claim": _experiment(
            "The largest mean deltas, and as many random pairs", "filtering", _arms([widest], claimed, ["dpo"], SEEDS)
        ),
        "few_updates": _experiment(
            "All pairs, at the number of updates that 1,000 get",
            "filtering",
            _arms([widest], ["all", "swapped"], ["dpo-few"], SEEDS),
            _arms([widest], ["top-step_coherence-1000"], ["dpo"], SEEDS),
        ),
        "many_updates": _experiment(
            "A thousand pairs, at the number of updates that all get",
            "filtering",
            _arms([widest], repeated, ["dpo-many"], SEEDS),
            _arms([widest], ["all"], ["dpo"], SEEDS),
        ),
        "swapped": _experiment("Exchanged", "rows", _arms([widest], ["all", "swapped"], ["dpo"], SEEDS)),
    }


def _experiment(title: str, figure: Any, arms: list[str], beside: Iterable[str] = ()) -> report.ReportExperiment:
    return report.ReportExperiment(title=title, figure=figure, arms=arms, beside=list(beside))


def _arms(
    pairings: Iterable[str], selections: Iterable[str], recipes: Iterable[str], seeds: Iterable[int]
) -> list[str]:
    return [
        f"nemotron/{pairing}/{selection}/{recipe}/s{seed}"
        for pairing in pairings
        for selection in selections
        for recipe in recipes
        for seed in seeds
    ]


def make(root: Path, scale: float) -> Job[report.ReportSettings]:
    """Write all inputs below root/results/full. scale: share of the real number of items and pairs."""
    folder = root / "results" / STUDY
    planned = experiments()
    arms = list(dict.fromkeys(arm for one in planned.values() for arm in one.arms))
    manifests = [
        _manifest(
            folder, "generate", name, {"generator": name, "shipped": {} if name != "r1" else {"source": "hub"}}, {}
        )
        for name in GENERATORS
    ]
    agreement = {"both_right": 9100, "both_wrong": 1900, "only_ours": 240, "only_theirs": 410}
    manifests.append(_manifest(folder, "grade", "r1", {}, {"source_agreement": agreement}))
    curve = {"loss": [0.6931 - 0.001 * step for step in range(200)], "rewards/margins": [0.01 * s for s in range(200)]}
    for arm in arms:
        details = {"pairs": 5000, "updates": 156, "step0_loss": 0.6931, "curve": curve, "differs_from_base": True}
        method = arm.split("/")[3].partition("-")[0]
        manifests.append(_manifest(folder, "train", arm, {}, {"arms": {arm: {**details, "method": method}}}))
    inputs = {
        "template": [RESOURCES / "templates/report.html"],
        "parts": sorted((RESOURCES / "templates/report").iterdir()),
        "paper": [RESOURCES / "paper_values.yaml"],
        "example": [],
        "claims": [RESOURCES / "claims.yaml"],
        "manifests": manifests,
        "scores": [path for arm in ("nemotron/base", *arms) for path in _scores(folder, arm, scale)],
        "grades": [_grades(folder, name, round(16500 * scale)) for name in GENERATORS],
        "pairs": [_pairs(folder, name, round(16500 * scale)) for name in GENERATORS],
        "deltas": [_deltas(folder, name, it, round(16500 * scale)) for name in GENERATORS for it in DIMENSIONS],
        "judgements": [_judged(folder, "s1-32b", "logic", LOGIC, round(16500 * scale), 0)],
        "compared": [_judged(folder, "s1-32b", f"single_{name}", [name], round(800 * scale) + 20, 1) for name in LOGIC],
        "annotations": [],
        "sheets": [],
    }
    outputs = {"page": [folder / "report/index.html"], "figures": [folder / "report/figures"]}
    return Job(_settings(planned, scale), inputs, outputs, folder / "record")


def _settings(planned: dict[str, report.ReportExperiment], scale: float) -> report.ReportSettings:
    return report.ReportSettings(
        study=STUDY,
        seed=1,
        title="Decomposing the delta: a drawn study of the full one's size",
        about="Every number on this page was drawn by a seed: it tests the page, not the paper.",
        claims_note="All numbers here are drawn by a seed.",
        dimensions=DIMENSIONS,
        benchmarks={
            name: report.ReportBenchmark(
                title=bench.title, domain=bench.domain, difficulty=bench.difficulty, in_domain=bench.domain == "maths"
            )
            for name, bench in BENCHMARKS.items()
        },
        groups={
            name: report.ReportGroup(title=name.capitalize(), benchmarks=found, primary=True)
            for name, found in GROUPS.items()
        },
        experiments=planned,
        overlap=report.ReportOverlap(pairing=f"s1-32b~{REJECTED}", k=[round(k * scale) for k in (1000, 2500, 5000)]),
        forms={"logic": LOGIC, "brevity": ["signal_to_noise"]},
        compared={f"single_{name}": [name] for name in LOGIC},
    )


def _lift(arm: str, benchmark: str) -> float:
    """What training adds, logit."""
    if arm.endswith("/base"):
        return 0.0
    _, pairing, selection, recipe, _ = arm.split("/")
    gap = GENERATORS[pairing.partition("~")[0]] - GENERATORS[REJECTED]
    size = next((int(part) for part in selection.split("-") if part.isdigit()), 16500)
    lift = 0.22 * min(gap, 0.9 if BENCHMARKS[benchmark].domain == "maths" else 9.0) * (size / 16500) ** 0.25
    lift *= {"bottom": 0.2, "swapped": -1.0, "random": 0.75, "cell": 0.8}.get(selection.partition("-")[0], 1.0)
    lift *= 1.3 if "step_coherence" in selection else 1.0
    return lift * (0.6 if recipe.startswith("sft") else 1.0) + 0.03 * random.Random(f"{arm}{benchmark}").gauss(0, 1)


def _scores(folder: Path, arm: str, scale: float) -> Iterator[Path]:
    chance = random.Random(arm)
    for group, names in GROUPS.items():
        rows = []
        for name in names:
            bench, lift = BENCHMARKS[name], _lift(arm, name)
            for item in range(max(8, round(bench.items * scale))):
                logit = bench.logit + lift + 1.5 * random.Random(f"{name}{item}").gauss(0, 1)
                for draw in range(bench.draws):
                    right = chance.random() < 1 / (1 + exp(-logit))
                    rows.append(Score(name, f"{name}-{item:05}", draw, None, right, "stop", 900, "key", None))
        path = folder / f"evaluate/{arm}/{group}.parquet"
        tables.write(path, Score, rows)
        yield path


def _grades(folder: Path, name: str, prompts: int) -> Path:
    chance = random.Random(name)
    share = 1 / (1 + exp(-GENERATORS[name]))
    draws = 2 if name == REJECTED else 1
    rows = [
        Grade(f"p{i:05}", name, draw, "1", chance.random() < share, None)
        for i in range(prompts)
        for draw in range(draws)
    ]
    path = folder / f"grade/{name}.parquet"
    tables.write(path, Grade, rows)
    return path


def _pairs(folder: Path, name: str, prompts: int) -> Path:
    chance = random.Random(name)
    rows = [
        Pair(
            f"{name}-{i}",
            f"p{i:05}",
            0,
            0,
            True,
            "right-wrong",
            chance.randrange(500, 9000),
            900,
            True,
            False,
            True,
            None,
        )
        for i in range(prompts)
    ]
    path = folder / f"pair/{name}~{REJECTED}.parquet"
    tables.write(path, Pair, rows)
    return path


def _deltas(folder: Path, name: str, dimension: str, prompts: int) -> Path:
    chance = random.Random(f"{name}{dimension}")
    mean = 1.2 * (GENERATORS[name] - GENERATORS[REJECTED])
    values = [float(max(-4, min(4, round(chance.gauss(mean, 1.2))))) for _ in range(prompts)]
    path = folder / f"delta/{name}~{REJECTED}/{dimension}.parquet"
    tables.write(path, Delta, [Delta(f"{name}-{i}", 4.0, 4.0 - one, one, None) for i, one in enumerate(values)])
    return path


def _judged(folder: Path, name: str, form: str, dimensions: list[str], prompts: int, noise: int) -> Path:
    chance = random.Random(form)
    rows = [
        Judgement(
            f"p{i:05}",
            name,
            0,
            dimension,
            max(
                1,
                min(
                    5,
                    random.Random(f"{i}{dimension}").choice([2, 3, 4, 4, 5]) + chance.choice([-1, 0, 0, 0, 1]) * noise,
                ),
            ),
            1,
            1,
            ["key"],
            None,
        )
        for i in range(prompts)
        for dimension in dimensions
    ]
    path = folder / f"judge/{name}/{form}.parquet"
    tables.write(path, Judgement, rows)
    return path


def _manifest(folder: Path, stage: str, job: str, settings: dict[str, Any], details: dict[str, Any]) -> Path:
    if not settings.get("shipped"):
        settings = {key: value for key, value in settings.items() if key != "shipped"}
    run = {"started": "2026-01-01T00:00:00Z", "seconds": 60.0, "cpu_seconds": 60.0, "peak_mib": 900}
    run |= {"python": "3.11.7", "versions": {"torch": "2.9.0"}, "commit": "0123456789ab"}
    content = {"stage": stage, "rows": 10, "failures": {}, "details": details, "settings": settings, "run": run}
    path = folder / stage / f"{job}.manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**content, "code": "c", "outputs": {}}))
    return path


if __name__ == "__main__":
    report.run(make(Path(sys.argv[1]), float(sys.argv[2])))
