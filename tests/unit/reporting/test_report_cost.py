"""What a report costs: benchmarks/bench/report.py with a tenth of the full study's arms and items."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def test_a_tenth_of_the_arms_and_items_takes_seconds_and_little_memory() -> None:
    command = [sys.executable, "-m", "bench.report", "--families", "18", "--items", "2000"]
    env = {**os.environ, "PYTHONPATH": str(BENCHMARKS)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    costs = {words[1]: float(words[3]) for line in done.stdout.splitlines() if (words := line.split())[0] == "BENCH"}
    assert costs["report-cpu"] < 12
    assert costs["report-memory"] < 500
