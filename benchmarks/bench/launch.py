"""What it costs to hand the rows of a training to the processes that train together, per token.

    PYTHONPATH=benchmarks .venv/bin/python -m bench.launch

launch-time     CPU microseconds to put the job into the mailbox, and, in a process that trains, to read every row once
launch-memory   bytes of its own that such a process holds for the rows once its data set is made, by method dpo

Rows of 8,000 pairs, about 11 million tokens, with the vocabulary of Llama 3. The bounds that stand as theirs are those
that were set; as JSON, rows took 1.5 microseconds and 36 bytes without the data set. About 40 s.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from bench.side_by_side import ROUNDS, at_most
from prefdelta.core.compute import Fsdp
from prefdelta.core.recipes import Budget
from prefdelta.training.columns import dataset_of
from prefdelta.training.methods.dpo import METHOD, DPORecipe
from prefdelta.training.processes.mailbox import Mailbox, TrainJob
from prefdelta.training.tokens import PreferenceRow

PAIRS = 8_000
VOCABULARY = 128_256
RECIPE = DPORecipe(method="dpo", learning_rate=1e-6, beta=0.1, batch_size=32, budget=Budget(epochs=1.0))


def draw_rows() -> list[PreferenceRow]:
    """Pairs with prompts of about 100 tokens, and traces of about 600."""
    draw = np.random.default_rng(0)
    rows = []
    for _ in range(PAIRS):
        lengths = draw.lognormal(np.log([90, 470, 470]), 0.7).astype(int) + 1
        prompt, chosen, rejected = (draw.integers(0, VOCABULARY, length).tolist() for length in lengths)
        rows.append(PreferenceRow(prompt, chosen, rejected, *draw.normal(-300, 50, 2).tolist()))
    return rows


def tokens_of(row: PreferenceRow) -> int:
    """The tokens of a row."""
    return len(row.prompt) + len(row.chosen) + len(row.rejected)


def own_memory() -> int:
    """Bytes of this process that no file backs and no other process shares."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def receive(folder: Path) -> tuple[float, int]:
    """(CPU seconds to read every row of the job once, bytes held for its rows when the data set is made)."""
    dataset_of(METHOD.make_rows(None, [PreferenceRow([1], [2], [3], 0.0, 0.0)], RECIPE, 0))  # type: ignore[arg-type]  # imports
    before, started = own_memory(), time.process_time()
    job = Mailbox(folder).job()
    sum(len(row.prompt) for row in job.rows)
    seconds = time.process_time() - started
    dataset = dataset_of(METHOD.make_rows(None, job.rows, RECIPE, 0))  # type: ignore[arg-type]
    assert len(dataset) == PAIRS
    return seconds, own_memory() - before


def main() -> None:
    """Print the lines."""
    rows = draw_rows()
    tokens = sum(map(tokens_of, rows))
    micros, held = [], []
    with tempfile.TemporaryDirectory() as name:
        mailbox = Mailbox(Path(name))
        for _ in range(ROUNDS):
            started = time.process_time()
            mailbox.put_job(TrainJob(Path(), rows, RECIPE, 0, Path(), Path(), Fsdp(), 1.0))
            seconds = time.process_time() - started
            words = [sys.executable, "-m", "bench.launch", name]
            done = subprocess.run(words, env=dict(os.environ), capture_output=True, text=True, check=True)
            received, own = json.loads(done.stdout)
            micros.append((seconds + received) / tokens * 1e6)
            held.append(own / tokens)
        assert list(mailbox.job().rows) == rows
    at_most("launch-time", median(micros), 0.05, "CPU-us/token")
    at_most("launch-memory", median(held), 5.0, "bytes/token")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(receive(Path(sys.argv[1]))))
    else:
        main()
