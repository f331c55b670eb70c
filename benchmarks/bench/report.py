"""What the report of a study of the full one's size costs: 177 trained arms, 20,000 items, 2,000 resamples.

Draws the tables of scores of 59 families of three training seeds, a third of them random draws, and of one untrained
policy, on nine benchmarks that have so many items together (some ask an item 16 times: 22,900 answers an arm). Then the
stage makes the whole page from them, in a process of its own, without tables of pairs and judgements. `theirs` is the
bound. Some 20 s.

- `report-cpu`: CPU seconds of that process. At most 20.
- `report-memory`: MiB, its peak. At most 600.

One round. For the test: --families, --items (fewer of both).
"""

import argparse
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bench.earlier import ROOT
from bench.side_by_side import at_most
from prefdelta.core.arms import Arm, Base
from prefdelta.records.score import Score
from prefdelta.store import tables

SEEDS = (0, 1, 2)
BASE = Base("p")
# benchmark -> (share of the items, samples of each)
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


def make_page(root: Path, number: int, answer: Connection) -> None:
    """Run the stage on the drawn tables; sends CPU seconds, MiB and how many rows it counted."""
    from prefdelta.stages import report
    from prefdelta.workflow.job import Job

    planned = arms(number)
    names = list(map(str, planned))
    experiments = {
        f"e{start}": report.ReportExperiment(title=f"Experiment {start}", figure="rows", arms=names[start : start + 30])
        for start in range(0, len(names), 30)
    }
    about = report.ReportBenchmark(title="Drawn", domain="maths", difficulty="easy", in_domain=True)
    settings = report.ReportSettings(
        study=STUDY,
        seed=1,
        title="Drawn",
        about="Drawn.",
        resamples=2000,
        dimensions=["mean"],
        benchmarks=dict.fromkeys(BENCHMARKS, about),
        groups={GROUP: report.ReportGroup(title="All", benchmarks=list(BENCHMARKS), primary=True)},
        experiments=experiments,
    )
    none = ("pairs", "deltas", "grades", "judgements", "compared", "manifests", "annotations", "sheets")
    inputs: dict[str, list[Path]] = {name: [] for name in none}
    inputs |= {"template": [ROOT / "resources/templates/report.html"], "claims": [ROOT / "resources/claims.yaml"]}
    inputs |= {"parts": sorted((ROOT / "resources/templates/report").iterdir())}
    inputs |= {"paper": [ROOT / "resources/paper_values.yaml"], "example": []}
    inputs["scores"] = [path_of(root, arm) for arm in [BASE, *planned]]
    outputs = {"page": [root / "index.html"], "figures": [root / "figures"]}
    outcome = report.run(Job(settings, inputs, outputs, root / f"results/{STUDY}/record"))
    # ru_maxrss would start from the memory of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    answer.send((time.process_time(), int(status.partition("VmHWM:")[2].split()[0]) / 1024, outcome.rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", type=int, default=59)
    parser.add_argument("--items", type=int, default=20_000)
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write(root, options.families, options.items)
        receiving, sending = spawn.Pipe(duplex=False)
        process = spawn.Process(target=make_page, args=(root, options.families, sending))
        process.start()
        sending.close()
        cpu, mib, rows = receiving.recv()
        process.join()
        assert rows == sum(parquet.read_metadata(path).num_rows for path in root.rglob("*.parquet"))
        assert (root / "index.html").stat().st_size > 10_000
    at_most("report-cpu", cpu, 20, "CPU-s")
    at_most("report-memory", mib, 600, "MiB")


if __name__ == "__main__":
    main()
