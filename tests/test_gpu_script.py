"""The script for a GPU runs whole with tiny models, so that it is ready where there is one."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "gpu/throughput.py"


def test_the_script_for_a_gpu_runs_whole_and_measures_every_part() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--small"], capture_output=True, text=True, check=True)
    rows = [line.split("|")[1:4] for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    measured = {(part.strip(), who.strip()): float(speed.replace(",", "")) for part, who, speed in rows}
    assert set(measured) == {
        ("dpo", "ours"),
        ("dpo", "TRL"),
        ("kto", "ours"),
        ("sft", "ours"),
        ("dpo, up to 512 tokens", "ours"),
        ("dpo, adapters, large", "ours"),
        ("sampling", "ours"),
        ("sampling", "generate"),
    }
    assert all(speed > 0 for speed in measured.values())
