"""How often the interval of the gain beyond sharpening holds the truth.

    .venv/bin/python benchmarks/coverage_sharpening.py [--studies 2000] [--only WORD]      some minutes

A problem's logit is normal over problems, and rises as the temperature T falls, by its own slope in 1/T; the entropy of
a token falls. An arm has the entropy of its untrained policy at T = 0.72, which the grid 1, 0.8, 0.65, 0.5 does not
hold, and is right by a little more often than that. A run adds its luck to both: a run that is sharper is more often
right, too. The truth is the number over all problems and runs, with the weights that the true entropies give. Cells of
base@gain match the arm's gain on problems of the same kind, in domain; there the truth is 0, and the interval holds the
match. Prints a line per cell: the share of intervals that hold the truth, below it, above it, their mean width in
points, the standard deviation of the match's temperature, and how far the interpolated truth lies from that at T = 0.72
itself.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prefdelta.core.arms import Arm, Base
from prefdelta.core.ids import seed_of
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.sharpening import base_at_entropy, base_at_gain, gain_beyond, gain_beyond_gain, match

sys.path.insert(0, str(Path(__file__).parent))
from coverage import ITEM_SD, accuracy

WHERE, INSIDE = Evaluation("g", "b"), Evaluation("g", "in")
GRID = (1.0, 0.8, 0.65, 0.5)
TRUE = 0.72  # temperature of the untrained policy whose entropy the arm has
MEAN = -0.4  # logit of the mean problem at T = 1
SLOPE, SLOPE_SD = 1.0, 0.5  # logits per unit of 1/T: 5 to 9 points between neighbours of the grid
BEYOND, BEYOND_SD = 0.25, 0.4  # logits: what training adds to that, and how much it differs over problems
DECAY = 1.2  # the log of a token's entropy falls by so much per unit of 1/T
PROBLEM_SD, ANSWER_SD = 0.5, 0.2  # of the log entropy: over problems (the same for all arms), and answers
TOKENS, TOKENS_SD = 25.0, 0.3  # mean tokens of an answer, and the SD of their log
NATS = 0.3  # per token, at T = 1


@dataclass(frozen=True)
class Cell:
    title: str
    problems: int = 1500
    seeds: int = 3
    run_sd: float = 1.0  # points
    sharper: float = 0.0  # log entropy that a run loses with each standard deviation of its luck
    sampled: bool = False  # the entropy is estimated by -ln p of the sampled tokens
    base_times: int = 1  # how many times as often untrained policies answer
    inside: int = 0  # problems in domain, on which base@gain is matched; 0: base@entropy


CELLS = [
    Cell("run SD 0", run_sd=0.0),
    Cell("run SD 1"),
    Cell("run SD 2", run_sd=2.0),
    Cell("run SD 2, sharper runs are better", run_sd=2.0, sharper=0.1),
    Cell("run SD 2, sharper runs are worse", run_sd=2.0, sharper=-0.1),
    Cell("1 seed, run SD 2, sharper runs are better", seeds=1, run_sd=2.0, sharper=0.1),
    Cell("entropy from sampled tokens", sampled=True),
    Cell("untrained policy answers 4 times", base_times=4),
    Cell("250 problems", problems=250),
    Cell("250 problems, from sampled tokens", problems=250, sampled=True),
    Cell("60 problems, from sampled tokens", problems=60, sampled=True),
    Cell("minus base@gain, 1,500 problems in domain", inside=1500),
    Cell("minus base@gain, 300 problems in domain", inside=300),
]


@dataclass(frozen=True)
class Result:
    """Of a cell's intervals."""

    holds: float
    below: float
    above: float
    width: float  # points
    temperature_sd: float


def inverse(temperature: float) -> float:
    return 1 / temperature - 1


def base_accuracy(temperature: float) -> float:
    x = inverse(temperature)
    return accuracy(MEAN + SLOPE * x, math.hypot(ITEM_SD, SLOPE_SD * x))


def luck(points: float) -> float:
    """Logits that move an arm's accuracy by so many points."""
    step = 1e-4
    return points / 100 / ((arm_accuracy(0.0, step) - arm_accuracy(0.0, -step)) / (2 * step))


def arm_accuracy(sd: float, shift: float = 0.0) -> float:
    x = inverse(TRUE)
    spread = math.sqrt(ITEM_SD**2 + (SLOPE_SD * x) ** 2 + BEYOND_SD**2 + sd**2)
    return accuracy(MEAN + SLOPE * x + BEYOND + shift, spread)


def truth(cell: Cell) -> float:
    """The arm's accuracy minus the interpolated one of the untrained policy: 0 for base@gain, as in domain."""
    if cell.inside:
        return 0.0
    # Over runs, the mean of a log-normal entropy is larger than its median.
    wanted = math.exp(-DECAY * inverse(TRUE) + cell.sharper**2 / 2)
    levels = [math.exp(-DECAY * inverse(temperature)) for temperature in GRID]
    place = next(i for i in range(len(GRID) - 1) if levels[i] >= wanted >= levels[i + 1])
    w = (levels[place] - wanted) / (levels[place] - levels[place + 1])
    base = (1 - w) * base_accuracy(GRID[place]) + w * base_accuracy(GRID[place + 1])
    return arm_accuracy(luck(cell.run_sd)) - base


def draw_study(cell: Cell, chance: np.random.Generator) -> tuple[Scores, list[Arm]]:
    """The scores of one study: the arm's repeats, and five other families of three seeds that show how runs vary."""
    own = [Arm.parse(f"p/a~b/all/dpo/s{seed}") for seed in range(cell.seeds)]
    others = [Arm.parse(f"p/a~b/top-mean-{family + 1}/dpo/s{seed}") for family in range(5) for seed in range(3)]
    arms, runs = [*own, *others], list[float]()
    matrices = {WHERE: _matrix(cell, arms, runs, cell.problems, chance)}
    if cell.inside:
        matrices[INSIDE] = _matrix(cell, arms, runs, cell.inside, chance)
    return Scores(matrices, {"g": BenchmarkGroup("g", ["b"], primary=True)}, Bootstrap(100, 1)), own


def _matrix(cell: Cell, arms: list[Arm], runs: list[float], n: int, chance: np.random.Generator) -> AnswerMatrix:
    """Answers to n problems. runs: the luck of each arm, in standard deviations; drawn if it is empty."""
    item, slope = chance.normal(MEAN, ITEM_SD, n), chance.normal(SLOPE, SLOPE_SD, n)
    beyond, harder = chance.normal(BEYOND, BEYOND_SD, n), chance.normal(0, PROBLEM_SD, n)
    runs += [] if runs else map(float, chance.standard_normal(len(arms)))
    bases = [Base("p"), *(Base("p", temperature) for temperature in GRID[1:])]
    logits = [item + slope * inverse(temperature) for temperature in GRID]
    logits += [item + slope * inverse(TRUE) + beyond + luck(cell.run_sd) * run for run in runs]
    falls = [DECAY * inverse(temperature) for temperature in GRID]
    falls += [DECAY * inverse(TRUE) + cell.sharper * run for run in runs]
    asked = np.ones((len(logits), n), dtype=np.int64)
    asked[: len(bases)] *= cell.base_times
    right = chance.binomial(asked, 1 / (1 + np.exp(-np.array(logits)))) / asked
    entropies = [_entropy(cell, harder, fall, int(times[0]), chance) for fall, times in zip(falls, asked, strict=True)]
    rows = {str(arm): row for row, arm in enumerate([*bases, *arms])}
    return AnswerMatrix(rows, right, asked, asked, np.zeros(len(rows), np.int64), None, np.array(entropies))


def _entropy(cell: Cell, harder: NDArray[np.float64], fall: float, times: int, chance: np.random.Generator) -> float:
    """Mean nats per token over a row's answers."""
    shape = (times, len(harder))
    tokens = np.maximum(1, chance.lognormal(math.log(TOKENS) - TOKENS_SD**2 / 2, TOKENS_SD, shape).round())
    level = NATS * np.exp(harder - PROBLEM_SD**2 / 2 - fall + chance.normal(-(ANSWER_SD**2) / 2, ANSWER_SD, shape))
    nats = tokens * level
    if cell.sampled:  # -ln p of a token has about this spread around its entropy: most tokens are nearly certain
        nats = nats + chance.normal(0, np.sqrt(1.5 * nats))
    return float(nats.sum() / tokens.sum())


def coverage(cell: Cell, studies: int) -> Result:
    true, found, temperatures = truth(cell), [], []
    for number in range(studies):
        scores, own = draw_study(cell, np.random.default_rng(seed_of("coverage of sharpening", cell.title, number)))
        by_gain = bool(cell.inside)
        found.append(gain_beyond_gain(scores, own, [INSIDE], [WHERE]) if by_gain else gain_beyond(scores, own, [WHERE]))
        matched = match(scores, base_at_gain(own, [INSIDE]) if by_gain else base_at_entropy(own), WHERE)
        assert matched is not None
        temperatures.append(matched.temperature(1.0))
    low, high = (np.array([getattr(each, end) for each in found], dtype=float) for end in ("low", "high"))
    below, above = float((high < true).mean()), float((low > true).mean())
    return Result(1 - below - above, below, above, 100 * float((high - low).mean()), float(np.std(temperatures)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--only", default="", help="cells with this word in their title")
    arguments, began = parser.parse_args(), time.process_time()
    studies = arguments.studies
    print(f"{'gain beyond sharpening':45} holds below above  width  SD of T")
    for cell in (cell for cell in CELLS if arguments.only in cell.title):
        found = coverage(cell, studies)
        print(
            f"{cell.title:45} {found.holds:.3f}  {found.below:.3f} {found.above:.3f} {found.width:6.2f}"
            f"  {found.temperature_sd:.3f}",
            flush=True,
        )
    exact = arm_accuracy(luck(1.0)) - base_accuracy(TRUE)
    print(f"interpolated minus exact truth: {100 * (truth(CELLS[1]) - exact):+.2f} points")
    print(f"base over the grid, points: {[round(100 * base_accuracy(t), 1) for t in GRID]}; true: {100 * exact:+.2f}")
    print(f"{studies} studies per cell; {time.process_time() - began:.0f} CPU s")


if __name__ == "__main__":
    main()
