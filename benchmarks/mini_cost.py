"""What `make mini` costs: beside an earlier tree, beside its jobs' own work, and when a generator is added.

    python benchmarks/mini_cost.py            mini alone on two idle cores, then a chosen generator more: some 12 min
    python benchmarks/mini_cost.py --beside   mini of this tree and of the earlier one at once, a core each: some 40 min

Both start from nothing but the environment, which must be set up. CPU seconds are user and system of all processes of
a run, Snakemake's and servers' too: this script takes in every process that loses its parent. Lines:

    mini-cpu     CPU seconds of the earlier tree's study (theirs) by ours; both trees have the same study
    overhead     wall seconds (ours) beside what two cores need at least for the jobs' own seconds (theirs): the longest
                 chain of jobs that wait for each other, or half of all jobs' seconds, whichever is more
    add-model    CPU seconds of a rerun with one chosen generator more (ours) beside those that its jobs and the report
                 used by their own count (theirs); no other job may run

Of the last two, the ratio is theirs by ours: 1 / 1.15 and 1 / 1.1 are what they should reach.
"""

import argparse
import ctypes
import json
import os
import resource
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

STUDY = "resources/studies/mini.yaml"
PR_SET_CHILD_SUBREAPER = 36
Manifests = Mapping[str, Any]  # path of a manifest -> its content


def checkout(tree: Path, folder: Path) -> Path:
    """A folder that runs a tree's study, with its own results."""
    folder.mkdir()
    for name in ("Snakefile", "workflow", "profiles", "mini", "resources", "config.yaml"):
        (folder / name).symlink_to(tree / name)
    return folder


def start(tree: Path, folder: Path, configfile: Path, core: int | None = None) -> subprocess.Popen[bytes]:
    """Start a study of a tree, on one core or on all."""
    environment = os.environ | {"PYTHONPATH": str(tree / "src")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    command = [*pinned, str(Path(sys.executable).with_name("snakemake")), "--profile", "mini"]
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [*command, "--configfile", str(configfile)], cwd=folder, env=environment, stdout=output, stderr=output
        )


def finish(*runs: subprocess.Popen[bytes]) -> dict[int, tuple[float, float]]:
    """Wait for runs and for all that they leave behind. Returns pid -> (CPU seconds, wall seconds) of each.

    A process that loses its parent becomes a child of this one, and counts for the run whose session it is in.
    """
    began, used, wall = time.monotonic(), {run.pid: 0.0 for run in runs}, {}
    owners: dict[int, int] = {}
    while True:
        for pid in _children():
            owners.setdefault(pid, pid if pid in used else _owner(pid, list(used)))
        try:
            pid, status, usage = os.wait3(os.WNOHANG)
        except ChildProcessError:
            return {run: (used[run], wall[run]) for run in used}
        if not pid:
            time.sleep(0.02)
            continue
        run = owners.get(pid, pid)
        used[run] += usage.ru_utime + usage.ru_stime
        if pid in used:
            wall[pid] = time.monotonic() - began
            if status:
                raise SystemExit(f"a study ended with status {status}: output.txt in its folder says why")


def _children() -> list[int]:
    return [int(pid) for pid in Path("/proc/self/task", str(os.getpid()), "children").read_text().split()]


def _owner(pid: int, runs: list[int]) -> int:
    """The run that an orphan belongs to: the one in whose folder it works."""
    try:
        folder = Path(f"/proc/{pid}/cwd").readlink()
        return next(run for run in runs if Path(f"/proc/{run}/cwd").readlink() == folder)
    except (OSError, StopIteration):
        return runs[0]


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


def alone(scratch: Path) -> None:
    """Print `overhead` and `add-model`."""
    folder = checkout(ROOT, scratch / "mini")
    run = start(ROOT, folder, ROOT / STUDY)
    ((cpu, wall),) = finish(run).values()
    jobs = manifests(folder)
    own = sum(job["run"]["cpu_seconds"] for job in jobs.values())
    least = max(longest_chain(jobs), sum(job["run"]["seconds"] for job in jobs.values()) / 2)
    print(f"mini: {wall:.0f} s, {cpu:.0f} CPU s, of which its {len(jobs)} jobs count {own:.0f}", flush=True)
    for stage in dict.fromkeys(job["stage"] for job in jobs.values()):
        its = [job["run"]["cpu_seconds"] for job in jobs.values() if job["stage"] == stage]
        print(f"  {stage:10}{len(its):5} jobs{sum(its):8.1f} CPU s, median {statistics.median(its):.2f}")
    line("overhead", least / wall, wall, least, "s")

    study = folder / "more.yaml"
    study.write_text(yaml.safe_dump(with_one_more(yaml.safe_load((ROOT / STUDY).read_text())), sort_keys=False))
    ((cpu, _),) = finish(start(ROOT, folder, study)).values()
    after = manifests(folder)
    ran = {name: job for name, job in after.items() if job["run"] != jobs.get(name, {}).get("run")}
    foreign = [name for name in ran if "g5" not in name and "report" not in name]
    if foreign:
        raise SystemExit(f"jobs ran again that the new generator does not need: {', '.join(foreign)}")
    share = sum(job["run"]["cpu_seconds"] for job in ran.values())
    line("add-model", share / cpu, cpu, share, "CPU-s")


def beside(scratch: Path) -> None:
    """Print `mini-cpu`."""
    with earlier_tree() as earlier:
        theirs = start(earlier, checkout(earlier, scratch / "earlier"), ROOT / STUDY, core=0)
        ours = start(ROOT, checkout(ROOT, scratch / "mini"), ROOT / STUDY, core=1)
        used = finish(ours, theirs)
    line("mini-cpu", used[theirs.pid][0] / used[ours.pid][0], used[ours.pid][0], used[theirs.pid][0], "CPU-s")
    print(f"wall, a core each: {used[ours.pid][1]:.0f} s and {used[theirs.pid][1]:.0f} s")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", action="store_true", help="the earlier tree beside this one")
    chosen = beside if parser.parse_args().beside else alone
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as scratch:
        chosen(Path(scratch))


if __name__ == "__main__":
    main()
