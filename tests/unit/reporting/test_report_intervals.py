"""What the report's intervals cost: benchmarks/report_intervals.py with a tenth of the full study's arms and items."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "benchmarks/report_intervals.py"
FAMILIES, BENCHMARKS, PANELS = 18, 9, 4


def test_a_tenth_of_the_arms_and_items_takes_seconds_and_little_memory(tmp_path: Path) -> None:
    options = ["--families", str(FAMILIES), "--items", "2000", "--folder", str(tmp_path)]
    done = subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=True)
    parts = {
        name: json.loads(numbers) for name, _, numbers in (line.partition(": ") for line in done.stdout.splitlines())
    }
    assert parts["gains"]["numbers"] == FAMILIES * 4 * (BENCHMARKS + PANELS)
    assert parts["total"]["cpu_s"] < 12
    assert parts["total"]["peak_mib"] < 500
