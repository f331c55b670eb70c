"""What the start of a job costs on this machine: a fork of a process with its libraries, beside a plain process.

    PYTHONPATH=benchmarks python -m bench.start_of_a_job        about 40 s

Two jobs that have next to nothing to do, as Snakemake starts them (bash, then python): `job-start-light` draws nine
prompts, `job-start-torch` trains a model of one block for one step. Ours goes through the fork server; theirs is the
plain process of the tree before costs were halved. CPU seconds of all that a job starts and wakes: bash, client,
server, zygote, job. The imports that the zygotes pay once per run are printed beside. First it is checked that forked
and plain jobs of this tree write the same bytes.
"""

import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.earlier import ROOT, earlier_tree
from bench.side_by_side import ROUNDS, cpu_seconds, line
from prefdelta.workflow.fork_server.start import start

TICKS = os.sysconf("SC_CLK_TCK")
MADE = {"kind": "made", "family": "maths", "operations": [3], "items": 9, "split": "pairs", "grader": "marker"}
CORPUS = {"family": "maths", "operations": [2]}
RUNG = {
    "architecture": "llama", "width": 8, "layers": 1, "heads": 1, "steps": 1, "batch_size": 2, "corpora": [CORPUS],
    "error_rates": {}, "seed": 1, "windows": [],
}  # fmt: skip
SHARED = {
    "muon_learning_rate": 0.01, "adamw_learning_rate": 0.01, "warmup_steps": 0, "decay_share": 0.0, "attempts": 1,
    "measured_items": 10, "threads": 1,
}  # fmt: skip
JOBS = {  # line -> stage, inputs, its output, settings, jobs per round (a tick is 10 ms), of theirs
    "job-start-light": (
        *("prompts", "lock= train=", "prompts"),
        *({"source": "train", "made": MADE, "seed": 1, "limit": None, "ngram": None}, 10, 3),
    ),
    "job-start-torch": ("ladder", "", "model", {"model": "pa", "rung": RUNG, "shared": SHARED}, 5, 1),
}


def processes(root: int) -> Iterator[int]:
    """The process ids of the children of a process that live, and of theirs."""
    for child in Path(f"/proc/{root}/task/{root}/children").read_text(encoding="ascii").split():
        yield int(child)
        yield from processes(int(child))


def all_seconds() -> float:
    """CPU seconds of all processes below this one, ended or not."""
    total = cpu_seconds()
    for process in processes(os.getpid()):
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        total += sum(map(int, fields[11:15])) / TICKS  # <proc_pid_stat(5)>: its own, and those of its ended children
    return total


def do(name: str, folder: Path, environment: dict[str, str]) -> bytes:
    """Run a job from nothing; returns what it wrote."""
    stage, inputs, output, settings, _, _ = JOBS[name]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    written = folder / "output"
    command = (
        f"set -euo pipefail; exec python -m prefdelta.stages.{stage} --in {inputs} --out {output}={written}"
        f" manifest={folder}/manifest.json --settings {shlex.quote(json.dumps(settings))} --record {folder}/record"
        f" 2> {folder}/log"
    )
    done = subprocess.run(["bash", "-c", command], env=environment, check=False)
    if done.returncode:
        raise RuntimeError((folder / "log").read_text(encoding="utf-8"))
    return written.read_bytes()


def measured(name: str, times: int, folder: Path, environment: dict[str, str]) -> float:
    """CPU seconds of one job, from several."""
    before = all_seconds()
    for _ in range(times):
        do(name, folder, environment)
    return (all_seconds() - before) / times


def main() -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    plain = {**os.environ, "PATH": path, **threads}
    os.environ |= {"PATH": path, **threads}
    start(ROOT / "workflow/bin/local")
    forked = dict(os.environ)
    with earlier_tree() as tree, tempfile.TemporaryDirectory() as place:
        folder = Path(place, "job")
        earlier = {**plain, "PYTHONPATH": str(tree / "src")}
        for name, (*_, of_ours, of_theirs) in JOBS.items():
            before = all_seconds()
            ours = do(name, folder, forked)
            first = all_seconds() - before
            assert ours == do(name, folder, plain), f"{name}: a forked job wrote other bytes than a plain one"
            do(name, folder, earlier)
            took: tuple[list[float], list[float]] = ([], [])
            for _ in range(ROUNDS):
                took[0].append(measured(name, of_ours, folder, forked))
                took[1].append(measured(name, of_theirs, folder, earlier))
            ratio = statistics.median(theirs / ours for ours, theirs in zip(*took, strict=True))
            line(name, ratio, statistics.median(took[0]), statistics.median(took[1]), "CPU-s")
            print(f"{name}: the first job of a run, with the imports for all: {first:.2f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
