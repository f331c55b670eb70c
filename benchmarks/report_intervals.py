"""Seconds and memory that the report's intervals take in a study of the full one's size.

    .venv/bin/python benchmarks/report_intervals.py [--families 176] [--items 20000] [--folder DIR]      some minutes

Draws the tables of scores of that many families of three training seeds, a third of them random draws, and of one
untrained policy, on nine benchmarks that have so many items together. Then it reads them and makes, as the report does,
with 2,000 resamples: each arm's and each family's gain on each benchmark and each panel, each family's difference from
the random draws, and one resampled number of 40 arms. Prints seconds, CPU seconds and the peak of memory after each
part; the tables are drawn in a process of its own, so that the peak is that of the intervals alone.

On two cores, with five other processes at work on them: 12 million answers read in 10.6 s (6.5 CPU s), 9,152 gains in
7.3 s (3.6), 1,534 differences in 2.1 s (0.9), 40 arms resampled in 2.6 s (1.3); all in 23.8 s (12.8), 618 MiB.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from prefdelta.core.arms import Arm, Base
from prefdelta.records.score import Score
from prefdelta.reporting.arms import families
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.gains import difference_weights, gain_weights, mean_weights
from prefdelta.store import tables

SEEDS = (0, 1, 2)
BASE = Base("p")
# benchmark -> (share of the items, samples of each); the panels of the report
BENCHMARKS = {
    "gsm8k": (0.083, 1),
    "math_500": (0.031, 1),
    "amc": (0.005, 16),
    "aime_2024": (0.002, 16),
    "aime_2025": (0.002, 16),
    "olympiadbench": (0.043, 1),
    "theoremqa": (0.05, 1),
    "mmlu_pro": (0.759, 1),
    "livecodebench": (0.025, 1),
}
PANELS = [
    ["gsm8k", "math_500"],
    ["amc", "aime_2024", "aime_2025", "olympiadbench"],
    ["theoremqa", "mmlu_pro"],
    list(BENCHMARKS),
]
STUDY, GROUP = "drawn", "all"


def arms(number: int) -> list[Arm]:
    """The arms of so many families; of each three, the last is random draws."""
    selections = [
        f"random-{family // 9 + 1}-s{family // 3 % 3}" if family % 3 == 2 else f"top-mean-{family + 1}"
        for family in range(number)
    ]
    return [Arm.parse(f"p/a~b/{selection}/dpo/s{seed}") for selection in selections for seed in SEEDS]


def path_of(root: Path, arm: Arm | Base) -> Path:
    return root / f"results/{STUDY}/evaluate/{arm}/{GROUP}.parquet"


def write(root: Path, number: int, items: int) -> None:
    """Draw the tables: they differ in what is right only."""
    names, prompts, samples = [], [], []
    for name, (share, draws) in sorted(BENCHMARKS.items()):
        problems = max(8, round(share * items))
        names += [name] * problems * draws
        prompts += [f"{name}-{problem:06}" for problem in range(problems) for _ in range(draws)]
        samples += list(range(draws)) * problems
    n = len(names)
    chance = np.random.default_rng(1)
    shares = 1 / (1 + np.exp(-chance.normal(0.3, 1.5, n)))
    columns = {
        "benchmark": pa.array(names),
        "prompt_id": pa.array(prompts),
        "sample": pa.array(samples),
        "finish_reason": pa.array(["stop"] * n),
        "n_tokens": pa.array(chance.integers(100, 9000, n)),
        "call_key": pa.array([f"{key:032x}" for key in range(n)]),
        "failure": pa.nulls(n, pa.string()),
        "extracted": pa.array(["42"] * n),
        "entropy": pa.array(chance.random(n)),
        "by_math_verify": pa.nulls(n, pa.string()),
        "by_text": pa.nulls(n, pa.string()),
    }
    schema = tables.schema(Score)
    for arm in [BASE, *arms(number)]:
        right = chance.random(n) < shares + 0.03 * (arm != BASE) + chance.normal(0, 0.005)
        path = path_of(root, arm)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pydict({**columns, "correct": pa.array(right)}, schema=schema)
        parquet.write_table(table, path, compression="zstd", write_page_checksum=True)


def measure(root: Path, number: int) -> dict[str, dict[str, float]]:
    """Part -> numbers made, seconds, CPU seconds (of the process so far: peak MiB)."""
    parts: dict[str, dict[str, float]] = {}
    wall, cpu = time.perf_counter(), time.process_time()

    def done(part: str, count: int) -> None:
        nonlocal wall, cpu
        wall_now, cpu_now = time.perf_counter(), time.process_time()
        # ru_maxrss would start from the memory of the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
        parts[part] = {
            "numbers": count,
            "s": round(wall_now - wall, 2),
            "cpu_s": round(cpu_now - cpu, 2),
            "peak_mib": peak,
        }
        wall, cpu = wall_now, cpu_now

    planned = arms(number)
    scores = Scores.read(
        [path_of(root, arm) for arm in [BASE, *planned]],
        STUDY,
        list(BENCHMARKS),
        {GROUP: BenchmarkGroup("All", list(BENCHMARKS), primary=True)},
        Bootstrap(2000, 1),
    )
    done("read", scores.rows)
    places: list[Sequence[Evaluation]] = [[Evaluation(GROUP, name)] for name in BENCHMARKS]
    places += [[Evaluation(GROUP, name) for name in panel] for panel in PANELS]
    for place in places:
        scores.run_variance(place)
    done("variance between runs", len(places))
    repeats = families(planned)
    sides = [*repeats, *((arm,) for arm in planned)]
    gains = [scores.weighted_difference(gain_weights(side), place) for place in places for side in sides]
    done("gains", len(gains))
    random = [arm for arm in planned if arm.selection.startswith("random-1-")]
    tops = [side for side in repeats if side[0].selection.startswith("top")]
    differences = [
        scores.weighted_difference(difference_weights(side, random), place) for place in places for side in tops
    ]
    done("top minus random", len(differences))
    forty = [mean_weights([arm]) for arm in planned[:40]]
    spread = scores.of_accuracies(
        forty, list(places[-1]), lambda sums: np.asarray(sums.std(axis=-1, ddof=1)), "the spread of 40 arms"
    )
    done("of 40 arms", 1)
    assert all(found.low is not None for found in [*gains, *differences, spread])
    total = {name: round(sum(part[name] for part in parts.values()), 1) for name in ("s", "cpu_s")}
    return {**parts, "total": {**total, "peak_mib": max(part["peak_mib"] for part in parts.values())}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", type=int, default=176)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where the tables are written, and stay")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = options.folder or Path(scratch)
        if not path_of(root, BASE).exists():
            writing = multiprocessing.get_context("spawn").Process(
                target=write, args=(root, options.families, options.items)
            )
            writing.start()
            writing.join()
        for part, numbers in measure(root, options.families).items():
            print(f"{part}: {json.dumps(numbers)}")


if __name__ == "__main__":
    sys.exit(main())
