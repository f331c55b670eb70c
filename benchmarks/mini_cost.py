"""What `make mini` costs: beside an earlier tree, beside its jobs' own work, and when a generator is added.

    python benchmarks/mini_cost.py      from the repository root, on two idle cores; about half an hour

Runs mini from nothing, then with a chosen generator more, then the earlier tree's mini, one after the other. The
environment is set up already. CPU seconds are user and system of all processes of a run, Snakemake's and servers' too:
this script takes in every process that loses its parent. Lines:

    overhead     wall seconds (ours) beside what two cores need at least for the jobs' own seconds (theirs): the longest
                 chain of jobs that wait for each other, or half of all jobs' seconds, whichever is more
    add-model    CPU seconds of a rerun with one chosen generator and one arm more (ours) beside its share of the work
                 (theirs): what its jobs and the report used by their own count, and what an arm costs on average in the
                 first run's batches of training and evaluation. Besides, only the new arm's batches may run
    mini-cpu     CPU seconds of ours, and of the earlier tree's (theirs); both trees have the same study

Of the first two, the ratio is theirs by ours: 1 / 1.15 and 1 / 1.1 are what they should reach.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from bench.earlier import ROOT, earlier_tree
from bench.side_by_side import line

from prefdelta.core.stage_names import PAGES

STUDY = "resources/studies/mini.yaml"
PR_SET_CHILD_SUBREAPER = 36
Manifests = Mapping[str, Any]  # path of a manifest -> its content


def checkout(tree: Path, folder: Path) -> Path:
    """A folder that runs a tree's study, with its own results."""
    folder.mkdir()
    for name in ("Snakefile", "workflow", "profiles", "mini", "resources", "config.yaml"):
        (folder / name).symlink_to(tree / name)
    return folder


def run(tree: Path, folder: Path, configfile: Path) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of a study of a tree, with all that it leaves behind."""
    environment = os.environ | {"PYTHONPATH": str(tree / "src")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    snakemake = str(Path(sys.executable).with_name("snakemake"))
    command = [snakemake, "--profile", "mini", "--configfile", str(configfile)]
    began, used, wall, log = time.monotonic(), 0.0, 0.0, folder / "output.txt"
    with log.open("ab") as output:
        study = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    while True:
        try:
            pid, status, usage = os.wait3(0)  # also processes that have lost their parent: they are this one's now
        except ChildProcessError:
            return used, wall
        used += usage.ru_utime + usage.ru_stime
        if pid == study.pid:
            wall = time.monotonic() - began
            if status:
                raise SystemExit(f"the study of {tree} ended with status {status}:\n{log.read_text()[-3000:]}")


def manifests(folder: Path) -> Manifests:
    """All manifests of a study."""
    found = {}
    for path in folder.glob("results/*/**/*.manifest.json"):
        found[path.relative_to(folder).as_posix()] = json.loads(path.read_text())
    return found


def longest_chain(jobs: Manifests) -> float:
    """Seconds of the longest chain of jobs of which each reads what the one before it wrote."""
    maker = {output: name for name, job in jobs.items() for output in job["outputs"]}
    ends: dict[str, float] = {}

    def end(name: str) -> float:
        if name not in ends:
            above = {maker[path] for path in jobs[name]["inputs"] if path in maker} - {name}
            ends[name] = jobs[name]["run"]["seconds"] + max(map(end, above), default=0.0)
        return ends[name]

    return max(map(end, jobs))


def with_one_more(study: dict[str, Any]) -> dict[str, Any]:
    """The study with a chosen generator g5, trained like g4 from another seed, and DPO on its traces over g0's."""
    ladder = study["models"]["g4"]["ladder"]
    windows = [window | {"low": 0.3, "high": 0.95} for window in ladder["windows"]]
    study["models"]["g5"] = {"ladder": ladder | {"seed": 77, "windows": windows}}
    study["generators"]["g5"] = {"model": "g5"}
    study["experiments"]["added"] = {
        "title": "A generator that was added",
        "policies": ["pa"],
        "pairings": ["g5~g0"],
        "selections": ["all"],
        "recipes": ["dpo"],
        "seeds": [0],
    }
    return study


def main() -> None:
    """Run the three studies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    with tempfile.TemporaryDirectory() as scratch, earlier_tree() as earlier:
        folder = checkout(ROOT, Path(scratch, "mini"))
        cpu, wall = run(ROOT, folder, ROOT / STUDY)
        jobs = manifests(folder)
        tell(jobs, cpu, wall)
        least = max(longest_chain(jobs), sum(job["run"]["seconds"] for job in jobs.values()) / 2)
        line("overhead", least / wall, wall, least, "s")
        add_model(folder, jobs)
        before, wall = run(earlier, checkout(earlier, Path(scratch, "earlier")), ROOT / STUDY)
        print(f"earlier tree: {wall:.0f} s, {before:.0f} CPU s", flush=True)
        line("mini-cpu", before / cpu, cpu, before, "CPU-s")


def tell(jobs: Manifests, cpu: float, wall: float) -> None:
    """Print what the stages' jobs used."""
    own = sum(job["run"]["cpu_seconds"] for job in jobs.values())
    print(f"mini: {wall:.0f} s, {cpu:.0f} CPU s, of which its {len(jobs)} jobs count {own:.0f}", flush=True)
    for stage in dict.fromkeys(job["stage"] for job in jobs.values()):
        its = [job["run"]["cpu_seconds"] for job in jobs.values() if job["stage"] == stage]
        print(f"  {stage:10}{len(its):5} jobs{sum(its):8.1f} CPU s, median {statistics.median(its):.2f}")


def add_model(folder: Path, jobs: Manifests) -> None:
    """Print `add-model`."""
    study = folder / "more.yaml"
    study.write_text(yaml.safe_dump(with_one_more(yaml.safe_load((ROOT / STUDY).read_text())), sort_keys=False))
    cpu, _ = run(ROOT, folder, study)
    after = manifests(folder)
    ran = {name: job for name, job in after.items() if job["run"] != jobs.get(name, {}).get("run")}
    own = {name: job for name, job in ran.items() if "g5" in name or job["stage"] in PAGES}
    batches = {name for name, job in ran.items() if job["stage"] in ("train", "evaluate")}
    if foreign := ran.keys() - own.keys() - batches:
        raise SystemExit(f"jobs ran again that the new generator does not need: {', '.join(sorted(foreign))}")
    trained = sum(len(job["outputs"]) for job in jobs.values() if job["stage"] == "train")
    in_batches = sum(job["run"]["cpu_seconds"] for job in jobs.values() if job["stage"] in ("train", "evaluate"))
    share = sum(job["run"]["cpu_seconds"] for job in own.values()) + in_batches / trained
    print(f"one generator more: {len(ran)} jobs, of which {len(ran) - len(own)} batches", flush=True)
    line("add-model", share / cpu, cpu, share, "CPU-s")


if __name__ == "__main__":
    main()
