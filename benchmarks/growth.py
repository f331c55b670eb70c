"""How the cost of planning grows with a study: ten times the arms, and ten times the generators.

Writes studies with 1, 3 and 10 times as many arms (seeds of a random selection, for the full study's policy) or
generators (each paired with the weakest), and takes the CPU seconds of `snakemake -n` and of `prefdelta plan` on them.
Growth in pairs is in `make bench ONLY=pairs`: 100,000, 1 million and 10 million of them.

python benchmarks/growth.py      from the repository root, some 3 min
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parent))

from bench.earlier import ROOT
from bench.side_by_side import seconds

Study = dict[str, Any]
BIN = Path(sys.executable).parent


def with_arms(study: Study, times: int) -> Study:
    """The study with `times` x 100 arms more, of random selections."""
    selections = [f"random-1000-s{seed}" for seed in range(100 * times)]
    return _with_experiment(study, ["s1-32b~s1-3b"], selections)


def with_generators(study: Study, times: int) -> Study:
    """The study with `times` x 10 generators more, each paired with the weakest; an arm of each pairing."""
    names = [f"more-{number}" for number in range(10 * times)]
    study["models"] |= {name: study["models"]["s1-7b"] | {"hub": f"some/{name}"} for name in names}
    study["generators"] |= {name: {"model": name, "samples": 2} for name in names}
    return _with_experiment(study, [f"{name}~s1-3b" for name in names], ["all"])


def _with_experiment(study: Study, pairings: list[str], selections: list[str]) -> Study:
    its = {"title": "More", "policies": study["policies"], "recipes": ["dpo"], "seeds": [0]}
    study["experiments"]["more"] = its | {"pairings": pairings, "selections": selections}
    return study


def cost(arguments: list[str], folder: Path) -> tuple[float, str]:
    """CPU seconds of a command in a folder, and its output."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}

    def work() -> str:
        return subprocess.run(arguments, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout

    return seconds(work, "cpu")


def main() -> None:
    """Print the table."""
    rows = []
    grown: dict[str, Callable[[Study, int], Study]] = {"arms": with_arms, "generators": with_generators}
    for what, grow in grown.items():
        for times in (1, 3, 10):
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch)
                for name in ("Snakefile", "workflow", "profiles", "slurm", "resources"):
                    (folder / name).symlink_to(ROOT / name)
                study = grow(yaml.safe_load((ROOT / "config.yaml").read_text()), times)
                (folder / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
                dry, printed = cost([str(BIN / "snakemake"), "--profile", "slurm", "-n"], folder)
                plan, _ = cost([str(BIN / "prefdelta"), "plan"], folder)
                (line,) = (line for line in printed.splitlines() if line.endswith(" jobs would run:"))
                jobs = int(line.split()[0].replace(",", ""))
                each = (1000 * dry / jobs, 1000 * plan / jobs)
                rows.append((f"{what} x{times}", jobs, dry, plan, *each))
    headers = ("more", "jobs", "snakemake -n, CPU s", "plan, CPU s", "ms a job", "ms a job")
    print(tabulate(rows, headers, floatfmt=".1f", tablefmt="github"))


if __name__ == "__main__":
    main()
