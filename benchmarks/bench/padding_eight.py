"""Tokens that eight processes compute or wait for, per real one, where each puts one pair at a time through the model.

    PYTHONPATH=benchmarks .venv/bin/python -m bench.padding_eight

Updates of 32 pairs; traces are log-normal with sigma 0.7, at most 512 tokens long. All processes wait for the one with
the longest micro-batch, in each micro-batch: so a step of eight counts eight times its longest. A pair counts its own
tokens, as a packed sequence does. Arithmetic, through the product's own assignment of rows. The bound that stands as
theirs is the one that was set. Two seconds.

With pairs in the order of the rows this was 1.78; with sides that are padded to each other besides, 2.52, and by length
1.78.
"""

import numpy as np

from bench.side_by_side import at_most
from prefdelta.training.shares import shares

PROCESSES, PAIRS, UPDATES = 8, 32, 1000
MEDIAN, SIGMA, LONGEST = 140, 0.7, 512  # tokens of a trace with its prompt


def main() -> None:
    """Print the line."""
    draw = np.random.default_rng(0)
    waited, real = 0, 0
    for _ in range(UPDATES):
        traces = np.clip(draw.lognormal(np.log(MEDIAN), SIGMA, (PAIRS, 2)).astype(int), 2, LONGEST)
        tokens = traces.sum(1).tolist()
        made = shares(tokens, 1, PROCESSES)
        counted = sorted(index for share in made for indices, counts in share if counts for index in indices)
        assert counted == list(range(PAIRS))
        for step in zip(*made, strict=True):
            waited += PROCESSES * max(sum(tokens[index] for index in indices) for indices, _ in step)
        real += sum(tokens)
    at_most("padding-eight", waited / real, 1.3, "tokens/token")


if __name__ == "__main__":
    main()
