"""How often the report's 95% intervals hold the truth, in studies drawn from a known one.

    .venv/bin/python benchmarks/coverage.py [--studies 2000] [--only WORD]      some minutes

The truth is over items and runs. An item's logit is normal over items; training adds an effect that differs by item and
by family; a run adds its luck, one number for all items, whose standard deviation is given in points of accuracy. A
logit that is the sum of normal ones is normal, so the true accuracy is one integral. Prints a line per cell: the share
of intervals that hold the truth, below it, above it, and their mean width in points.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.ids import seed_of
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.arms import families
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.gains import difference_weights, gain_weights, mean_weights

BASE = Base("p")
ITEM_SD, EFFECT_SD, FAMILY_SD = 1.5, 0.5, 0.3  # logits: of items, of the effect over items, of a family's own effect
GAIN = 0.25  # logits: the mean effect of training
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


@dataclass(frozen=True)
class Cell:
    """A study's form, and the number whose interval is looked at."""

    title: str
    number: str = "gain"  # gain, difference (top minus random), random (its gain), spread (of 4 families minus of 4)
    seeds: int = 3  # of the family in question
    run_sd: float = 1.0  # points
    others_run_sd: float | None = None  # points: of the other families, if it differs
    draw_sd: float = 0.0  # points: what the runs of one random draw share
    traces: int = 1  # draws of traces of each family, each with all of its seeds
    own_traces: int | None = None  # of the family in question, if it differs
    trace_sd: float = 0.0  # points: what the runs of a family on one draw of traces share
    families: int = 6  # other families, of three seeds each
    other_seeds: int = 3  # training seeds of the other families
    draws: int = 0  # random draws
    draw_seeds: int = 1  # training seeds of each draw
    benchmarks: Sequence[tuple[int, int]] = ((1500, 1),)  # (problems, samples of each)
    base_samples: int | None = None  # if other than the arms'
    copies: int = 1  # a problem stands there 1 to so many times
    mean: float = 0.3  # logit of the mean item, untrained
    spreads: tuple[float, float] = (0.0, 0.0)  # points: true SD between the families of each side, for a spread
    limit: bool = False  # a limit that docs/intervals.md states: the share is not that of the level


@dataclass(frozen=True)
class Shares:
    """Of a cell's intervals."""

    holds: float  # the truth is inside
    below: float  # the interval lies below the truth
    above: float
    width: float  # mean, points


def accuracy(mean: float, deviation: float) -> float:
    """The mean of the logistic function over a normal logit."""
    return float((_WEIGHTS / (1 + np.exp(-(mean + deviation * _NODES)))).sum() / _WEIGHTS.sum())


def luck(points: float, cell: Cell) -> float:
    """The standard deviation in logits that moves the mean accuracy by so many points."""
    step = 1e-4
    slope = (accuracy(cell.mean + GAIN + step, ITEM_SD) - accuracy(cell.mean + GAIN - step, ITEM_SD)) / (2 * step)
    return points / 100 / slope


def arms_of(cell: Cell) -> tuple[list[Arm], list[Arm], list[Arm]]:
    """(the family in question, the random draws, all other families)."""
    ab = Pairing("a", "b")
    top = [
        Arm("p", ab.at(traces), "top-mean-1", "dpo", seed)
        for traces in range(cell.own_traces or cell.traces)
        for seed in range(cell.seeds)
    ]
    drawn = [
        Arm.parse(f"p/a~b/random-1-s{draw}/dpo/s{seed}")
        for draw in range(cell.draws)
        for seed in range(cell.draw_seeds)
    ]
    others = [
        Arm("p", ab.at(traces), f"top-mean-{family + 2}", "dpo", seed)
        for family in range(cell.families)
        for traces in range(cell.traces)
        for seed in range(cell.other_seeds)
    ]
    return top, drawn, others


def draw_study(cell: Cell, chance: np.random.Generator) -> Scores:
    """The scores of one study."""
    arms = [arm for side in arms_of(cell) for arm in side]
    top, draw_sd = set(arms_of(cell)[0]), luck(cell.draw_sd, cell)
    others_sd = cell.run_sd if cell.others_run_sd is None else cell.others_run_sd
    of_draw = {arm.selection: chance.normal(0, draw_sd) for arm in arms if arm.selection.startswith("random")}
    of_family = dict(zip(dict.fromkeys(arm.selection for arm in arms_of(cell)[2]), family_shifts(cell), strict=False))
    trace_sd = luck(cell.trace_sd, cell)
    shared = dict.fromkeys((arm.selection, arm.draw) for arm in arms)
    of_traces = {key: chance.normal(0, trace_sd) if trace_sd else 0.0 for key in shared}
    shifts = [
        GAIN
        + of_traces[arm.selection, arm.draw]
        + chance.normal(0, luck(cell.run_sd if arm in top else others_sd, cell))
        + of_draw.get(arm.selection, 0.0)
        + of_family.get(arm.selection, 0.0)
        for arm in arms
    ]
    matrices, names = {}, []
    for number, (problems, samples) in enumerate(cell.benchmarks):
        copies = chance.integers(1, cell.copies + 1, size=problems)
        problem = np.repeat(np.arange(problems), copies)
        base = chance.normal(cell.mean, ITEM_SD, problems)
        effect = chance.normal(0, EFFECT_SD, problems)
        family = {name: chance.normal(0, FAMILY_SD, problems) for name in dict.fromkeys(arm.selection for arm in arms)}
        logits = np.stack(
            [base, *(base + effect + family[arm.selection] + shift for arm, shift in zip(arms, shifts, strict=True))]
        )[:, problem]
        asked = np.full(logits.shape, samples, dtype=np.int64)
        asked[0] = cell.base_samples or samples
        right = _answers(logits, asked, chance)
        matrices[Evaluation("g", f"b{number}")] = AnswerMatrix(
            rows={str(arm): row for row, arm in enumerate([BASE, *arms])},
            means=right / asked,
            counted=asked,
            samples=asked,
            truncated=np.zeros(len(asked), dtype=np.int64),
            problems=problem if cell.copies > 1 else None,
        )
        names.append(f"b{number}")
    return Scores(matrices, {"g": BenchmarkGroup("g", names, True)}, Bootstrap(400, int(chance.integers(1 << 30))))


def _answers(logits: NDArray[np.float64], asked: NDArray[np.int64], chance: np.random.Generator) -> NDArray[np.float64]:
    shares = 1 / (1 + np.exp(-logits))
    if asked.max() == 1:
        return (chance.random(shares.shape) < shares).astype(float)
    return chance.binomial(asked, shares).astype(float)


def estimate(cell: Cell, scores: Scores) -> Estimate:
    """The number of the cell, as the report makes it."""
    top, drawn, others = arms_of(cell)
    evaluations = scores.evaluations(primary=True)
    if cell.number == "spread":
        sides = [mean_weights(repeats) for repeats in families(others)]
        return scores.of_accuracies(sides, evaluations, spread_difference, "spread")
    weights = {
        "gain": gain_weights(top),
        "difference": difference_weights(top, drawn or top),
        "random": gain_weights(drawn or top),
    }[cell.number]
    return scores.weighted_difference(weights, evaluations)


def family_shifts(cell: Cell) -> list[float]:
    """The logits by which the eight families of a spread differ: four evenly spaced ones per side."""
    spaced = np.linspace(-1, 1, 4) / np.linspace(-1, 1, 4).std(ddof=1)
    return [float(shift) for points in cell.spreads for shift in spaced * luck(points, cell)]


def spread_difference(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The variance of the first four sums minus that of the last four, as the test of steadiness has it."""
    return np.asarray(sums[..., :4].var(axis=-1, ddof=1) - sums[..., 4:].var(axis=-1, ddof=1))


def truth(cell: Cell) -> float:
    """The number over all items and runs."""

    def trained(sd: float, shift: float = 0.0) -> float:
        return accuracy(cell.mean + GAIN + shift, math.sqrt(ITEM_SD**2 + EFFECT_SD**2 + FAMILY_SD**2 + sd**2))

    own = trained(math.hypot(luck(cell.run_sd, cell), luck(cell.trace_sd, cell)))
    drawn = trained(math.hypot(luck(cell.run_sd, cell), luck(cell.draw_sd, cell)))
    base = accuracy(cell.mean, ITEM_SD)
    if cell.number == "spread":
        run_sd = luck(cell.run_sd, cell)
        return float(spread_difference(np.array([trained(run_sd, shift) for shift in family_shifts(cell)])))
    return {"gain": own - base, "difference": own - drawn, "random": drawn - base}[cell.number]


def coverage(cell: Cell, studies: int) -> Shares:
    """How often the cell's interval holds the truth, in so many studies."""
    known, below, above, width = truth(cell), 0, 0, 0.0
    for study in range(studies):
        found = estimate(cell, draw_study(cell, np.random.default_rng([seed_of(cell.title), study])))
        if found.low is None or found.high is None:
            continue  # no interval holds no truth
        below, above = below + (found.high < known), above + (found.low > known)
        width += 100 * (found.high - found.low) / studies
    return Shares(1 - (below + above) / studies, below / studies, above / studies, width)


GAINS = [
    Cell(f"gain, {seeds} seed{'s' * (seeds > 1)}, run SD {sd}", seeds=seeds, run_sd=sd)
    for sd in (0, 1, 2)
    for seeds in (1, 2, 3, 5, 8)
]
DRAWN = Cell("", number="difference", draws=3, draw_seeds=3)
TRACED = Cell("", seeds=2, other_seeds=2, traces=3, trace_sd=2)
SPREAD = Cell("", number="spread", families=8, benchmarks=((500, 1),))
PANEL = ((1000, 1), (30, 16), (30, 16), (83, 16))
OTHERS = [
    replace(DRAWN, title="top minus random, 3 x 1 seeds, draw SD 0", draw_seeds=1),
    replace(DRAWN, title="top minus random, 3 x 1 seeds, draw SD 2", draw_seeds=1, draw_sd=2),
    replace(DRAWN, title="top minus random, 3 x 3 seeds, draw SD 0"),
    replace(DRAWN, title="top minus random, 3 x 3 seeds, draw SD 2", draw_sd=2),
    replace(DRAWN, title="gain beside random arms, 3 x 3 seeds, draw SD 2", number="gain", draw_sd=2),
    replace(DRAWN, title="gain beside random arms, 3 x 3 seeds, run SD 2", number="gain", run_sd=2),
    replace(DRAWN, title="gain of random, 3 x 3 seeds, draw SD 2", number="random", draw_sd=2),
    replace(DRAWN, title="gain of random, one draw of 3 seeds, draw SD 0", number="random", draws=1, limit=True),
    replace(
        DRAWN, title="gain of random, one draw of 3 seeds, draw SD 2", number="random", draws=1, draw_sd=2, limit=True
    ),
    replace(TRACED, title="gain, 3 draws of traces x 2 seeds, trace SD 0", trace_sd=0),
    replace(TRACED, title="gain, 3 draws of traces x 2 seeds, trace SD 2"),
    replace(TRACED, title="gain, 3 draws of traces x 1 seed, trace SD 2", seeds=1, other_seeds=1),
    replace(TRACED, title="gain, 1 draw of traces beside families of 3 x 2 seeds, trace SD 2", own_traces=1),
    replace(
        TRACED, title="gain, 1 draw of traces of 3 seeds, trace SD 2", seeds=3, other_seeds=3, traces=1, limit=True
    ),
    Cell("gain, panel of four benchmarks", benchmarks=PANEL),
    Cell("gain, panel of four benchmarks, 1 seed, run SD 2", benchmarks=PANEL, seeds=1, run_sd=2),
    Cell("gain, 30 problems x 16 samples", benchmarks=((30, 16),)),
    Cell("gain, 30 problems x 16 samples, 1 seed, run SD 2", benchmarks=((30, 16),), seeds=1, run_sd=2),
    Cell("gain, problems that repeat", copies=4, benchmarks=((600, 1),)),
    Cell("gain, base answered 4 times", base_samples=4),
    Cell("gain, easy items, 1 seed, run SD 0", mean=5.5, benchmarks=((500, 1),), seeds=1, run_sd=0, families=0),
    Cell("gain, easy items, 3 seeds, run SD 0", mean=5.5, benchmarks=((500, 1),), run_sd=0),
    Cell("gain, 30 items, 1 seed, run SD 0", benchmarks=((30, 1),), seeds=1, run_sd=0, families=0),
    Cell("gain, 12 items, 3 seeds, run SD 0", benchmarks=((12, 1),), run_sd=0),
    Cell("gain, no repeats, run SD 0", seeds=1, run_sd=0, families=0),
    Cell("gain, no repeats, run SD 1", seeds=1, families=0, limit=True),
    Cell("gain, no repeats, run SD 2", seeds=1, run_sd=2, families=0, limit=True),
    Cell("gain, only its own 2 seeds repeat", seeds=2, families=0),
    Cell("gain, run SD 2 beside families of 1", run_sd=2, others_run_sd=1, limit=True),
    Cell("gain, run SD 1 beside families of 2", others_run_sd=2, limit=True),
    replace(SPREAD, title="spread 3 minus spread 3", spreads=(3, 3), limit=True),
    replace(SPREAD, title="spread 0 minus spread 0", limit=True),
    replace(SPREAD, title="spread 3 minus spread 0", spreads=(3, 0), limit=True),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--only", default="", help="a word that the titles of the cells have")
    options = parser.parse_args()
    start = time.process_time()
    print(f"{'cell':66} holds  below  above  width")
    for cell in [*GAINS, *OTHERS]:
        if options.only in cell.title:
            found = coverage(cell, options.studies)
            shares = f"{found.holds:5.3f}  {found.below:5.3f}  {found.above:5.3f}  {found.width:5.2f}"
            print(f"{cell.title:66} {shares}{'  (limit)' if cell.limit else ''}", flush=True)
    error = math.sqrt(0.95 * 0.05 / options.studies)
    print(f"{options.studies} studies a cell: standard error {error:.4f}; {time.process_time() - start:.0f} CPU s")


if __name__ == "__main__":
    sys.exit(main())
