"""The stage `reference` over 512 traces under a policy of mini's size, beside that of an earlier commit.

    PYTHONPATH=benchmarks .venv/bin/python -m bench.reference

reference-512               nothing is recorded: every trace goes through the policy
reference-recorded          all is recorded
reference-512-with-imports  the first again, with the imports of torch and transformers, which other lines leave out

Theirs is the earlier tree's stage (`bench.earlier`). CPU seconds of the function `run`, in a process of each tree. The
tables must be equal to the last bit of each sum, but for the key, which names the source. About 50 s.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.earlier import ROOT, earlier_tree
from bench.side_by_side import ROUNDS, line
from prefdelta.core.ids import digest
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.trace import Trace
from prefdelta.stages import reference
from prefdelta.store import checkpoints, tables
from prefdelta.workflow.job import Job

TRACES = 512
MAX_LENGTH = 160  # mini's
LINES = ("reference-512", "reference-recorded", "reference-512-with-imports")


def make_inputs(folder: Path) -> None:
    """Write prompts, and one trace for each; the lengths of traces are log-normal, about 22 characters."""
    draw = random.Random(0)
    problems = set[str]()
    while len(problems) < TRACES:
        problems.add(f"Q:{''.join(draw.choices('0123456789+-*', k=draw.randrange(4, 24)))}?")
    prompts = [Prompt(digest(problem), "drawn", problem, ["1"]) for problem in sorted(problems)]
    tables.write(folder / "prompts.parquet", Prompt, prompts)
    lengths = [min(120, 2 + int(draw.lognormvariate(3.0, 0.7))) for _ in prompts]
    texts = ["".join(draw.choices("0123456789+-*=;", k=length)) for length in lengths]
    rows = [
        Trace(prompt.prompt_id, "drawn", 0, text, "stop", len(text) + 1, 1, "drawn", None)
        for prompt, text in zip(prompts, texts, strict=True)
    ]
    tables.write(folder / "traces.parquet", Trace, rows)


def make_policy(work: Path) -> None:
    """Put a Llama with random weights into the record of `work`, and the file that points to it beside the record."""
    from bench.training_pairs import llama  # which imports torch: in the process that measures, that comes later

    def make(output: Path, _: object) -> dict[str, Any]:
        for part in llama("mini"):
            part.save_pretrained(output)
        return {}

    policy = checkpoints.get_or_make(work / "record", "models", "policy", "bench", make)
    checkpoints.write_pointer(work / "policy.json", policy)


def run_stage(folder: Path, work: Path) -> list[float]:
    """Run this process's stage; returns the CPU seconds of each of LINES. Imports must not be done yet."""
    settings = reference.ReferenceSettings(
        generator="drawn", max_length=MAX_LENGTH, batch_tokens=32_768, dtype="float32", threads=1
    )
    inputs = {
        "prompts": [folder / "prompts.parquet"],
        "traces": [folder / "traces.parquet"],
        "template": [ROOT / "resources/templates/problem.md"],
        "weights": [work / "policy.json"],
    }
    job = Job(settings, inputs, {"reference": [work / "reference.parquet"]}, work / "record")

    def seconds(fresh: bool) -> float:
        if fresh:
            shutil.rmtree(work / "record/reference", ignore_errors=True)
        started = time.process_time()
        reference.run(job)
        return time.process_time() - started

    with_imports = seconds(fresh=True)
    return [seconds(fresh=True), seconds(fresh=False), with_imports]


def measured(tree: Path, folder: Path, work: Path) -> tuple[list[float], list[tuple[Any, ...]]]:
    """(`run_stage` of a tree, in a process of its own; the table without its keys)."""
    paths = f"{tree}/src{os.pathsep}{ROOT}/benchmarks"
    words = [sys.executable, "-m", "bench.reference", str(folder), str(work)]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    rows = tables.read(work / "reference.parquet", ReferenceLogps)
    return json.loads(done.stdout), [(row.prompt_id, row.sample, row.logps, row.n_tokens, row.failure) for row in rows]


def main() -> None:
    """Print the lines."""
    with tempfile.TemporaryDirectory() as name, earlier_tree() as tree:
        folder = Path(name)
        make_inputs(folder)
        trees = {folder / "ours": ROOT, folder / "theirs": tree}
        for work in trees:
            make_policy(work)
        rounds = []  # of each: CPU seconds as (tree, line)
        for _ in range(ROUNDS):
            seconds, found = zip(*(measured(tree, folder, work) for work, tree in trees.items()), strict=True)
            assert found[0] == found[1]
            assert all(row[2] is not None for row in found[0])
            rounds.append(seconds)
        for at, line_name in enumerate(LINES):
            ours, theirs = ([seconds[side][at] for seconds in rounds] for side in (0, 1))
            ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
            line(line_name, ratio, statistics.median(ours), statistics.median(theirs), "CPU-s")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(run_stage(*map(Path, sys.argv[1:]))))
    else:
        main()
