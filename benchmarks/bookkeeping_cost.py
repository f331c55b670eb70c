"""What the record, the manifests and all that guards them cost a whole study: with and without, side by side.

    .venv/bin/python benchmarks/bookkeeping_cost.py [--configfile resources/studies/mini.yaml]

Runs the study twice from nothing, at the same time, on one core each, in two scratch folders: once as it is, with the
bookkeeping timed, and once without it. Prints both wall times, their ratio, and the share of the first that the timed
functions took. The ratio holds the noise of the machine; the share does not.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(folder: Path, variant: str, configfile: Path) -> subprocess.Popen[bytes]:
    for name in ("Snakefile", "workflow", "profiles", "mini", "resources"):
        (folder / name).symlink_to(ROOT / name)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "benchmarks/bookkeeping"), str(ROOT / "src")]),
        "BOOKKEEPING": variant,
        "BOOKKEEPING_LOG": str(folder / "bookkeeping.jsonl"),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [str(Path(sys.executable).with_name("snakemake")), "--profile", "mini", "--cores", "1"]
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(
            [*command, "--configfile", str(configfile)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def job_seconds(folder: Path) -> float:
    manifests = (json.loads(path.read_text()) for path in folder.glob("results/*/**/*.manifest.json"))
    return sum(manifest["run"]["seconds"] for manifest in manifests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", type=Path, default=ROOT / "resources/studies/mini.yaml")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = {variant: Path(scratch) / variant for variant in ("timed", "without")}
        started, running, wall = time.monotonic(), {}, {}
        for variant, folder in folders.items():
            folder.mkdir()
            running[variant] = start(folder, variant, arguments.configfile.resolve())
        while running:
            time.sleep(0.2)
            for variant in [name for name, process in running.items() if process.poll() is not None]:
                wall[variant] = time.monotonic() - started
                if running.pop(variant).returncode:
                    sys.exit((folders[variant] / "output.txt").read_text())
        lines = (folders["timed"] / "bookkeeping.jsonl").read_text().splitlines()
        seconds: Counter[str] = Counter()
        for line in lines:
            seconds.update(json.loads(line)["seconds"])
        jobs = {variant: job_seconds(folder) for variant, folder in folders.items()}
    print(f"with     {wall['timed']:8.1f} s wall, {jobs['timed']:8.1f} s in jobs")
    print(f"without  {wall['without']:8.1f} s wall, {jobs['without']:8.1f} s in jobs")
    print(f"ratio    {wall['timed'] / wall['without']:8.3f}   wall, {jobs['timed'] / jobs['without']:8.3f}   in jobs")
    print(f"bookkeeping {sum(seconds.values()):.1f} s = {sum(seconds.values()) / wall['timed']:.2%} of the wall time:")
    for name, spent in seconds.most_common():
        print(f"  {spent:7.2f} s  {name}")


if __name__ == "__main__":
    main()
