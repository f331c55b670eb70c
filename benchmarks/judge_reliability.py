"""Whether a judge's planted noise, and what a selection owes to it, are found again from two judgings.

    .venv/bin/python benchmarks/judge_reliability.py [--studies 100]      about three minutes

A study has pairs whose sides have noiseless scores from 1 to 5, of a stronger and of a weaker generator, and two
judgings with noise: a share of their scores is one step off. Prints a line per number: the share of 95% intervals that
hold the truth, the truth, the mean estimate, and the intervals' mean width. The truth of the corrected mean is the mean
delta of the selected pairs over judgings by the same judge; beside it stand the judged mean, and the mean of the
noiseless deltas, which differs because noise moves scores of 1 and 5 inwards.
"""

import argparse
import math
import random
import sys
import time
from collections.abc import Sequence
from statistics import fmean

from prefdelta.core.judging import reliability
from prefdelta.core.judging.intervals import of_means
from prefdelta.core.judging.noise import noise_shares
from prefdelta.core.pairs.overlap import top_chances
from prefdelta.core.statistics import Estimate
from prefdelta.core.tasks.rating import SCORES, one_step_off

STRONG, WEAK = (0.02, 0.05, 0.13, 0.25, 0.55), (0.10, 0.20, 0.30, 0.25, 0.15)  # shares of the noiseless scores
TRACES, PAIRS, K = 500, 1500, 500
NOISES = (0.05, 0.10, 0.20)
TWO_JUDGES = ((0.05, 0.20), (0.10, 0.30))


def judged(scores: Sequence[int], noise: float, chance: random.Random) -> list[int]:
    return [one_step_off(score, chance.random() < 0.5) if chance.random() < noise else score for score in scores]


def expected(score: int, noise: float) -> float:
    """The mean of a score over judgings."""
    return (1 - noise) * score + noise * fmean(one_step_off(score, upwards) for upwards in (False, True))


def noise_found(noises: tuple[float, float], study: int, same_judge: bool) -> tuple[Estimate, Estimate]:
    """The noise of two judgings of 500 traces, as it is found."""
    chance = random.Random(f"noise {noises} {study}")
    scores = chance.choices(SCORES, STRONG, k=TRACES)
    found = noise_shares(*(judged(scores, noise, chance) for noise in noises), same_judge=same_judge)
    return found.first, found.second


def selection_found(noise: float, study: int) -> tuple[Estimate, float, float, float]:
    """The top 500 of 1,500 pairs: corrected mean; its truth; the judged mean; that of the noiseless deltas."""
    chance = random.Random(f"selection {noise} {study}")
    sides = [chance.choices(SCORES, shares, k=PAIRS) for shares in (STRONG, WEAK)]
    names = [f"{number:04}" for number in range(PAIRS)]

    def deltas(chosen: Sequence[float], rejected: Sequence[float]) -> dict[str, float]:
        return {name: float(left - right) for name, left, right in zip(names, chosen, rejected, strict=True)}

    first, second = (deltas(*(judged(side, noise, chance) for side in sides)) for _ in range(2))
    chances = top_chances("top", first, K)
    found = of_means(reliability.selected_set(first, second, chances), reliability.corrected_mean, "plain")

    def mean_of(values: dict[str, float]) -> float:
        return sum(chances[name] * values[name] for name in names) / K

    true = deltas(*([expected(score, noise) for score in side] for side in sides))
    return found, mean_of(true), mean_of(first), mean_of(deltas(*sides))


def shown(title: str, estimates: Sequence[Estimate], truths: Sequence[float]) -> str:
    held, widths, values = 0, [], []
    for estimate, truth in zip(estimates, truths, strict=True):
        assert estimate.value is not None
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= truth <= estimate.high
        widths.append(estimate.high - estimate.low)
        values.append(estimate.value)
    numbers = f"{held / len(values):5.3f}  {fmean(truths):6.3f}  {fmean(values):6.3f}  {fmean(widths):6.3f}"
    return f"{title:52} {numbers}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    options = parser.parse_args()
    start, studies = time.process_time(), range(options.studies)
    print(f"{'number':52} holds   truth   found   width")
    for noise in NOISES:
        found = [noise_found((noise, noise), study, same_judge=True)[0] for study in studies]
        print(shown(f"noise, a judge asked twice, planted {noise:.2f}", found, [noise] * len(found)), flush=True)
    for noises in TWO_JUDGES:
        both = [noise_found(noises, study, same_judge=False) for study in studies]
        for number, noise in enumerate(noises):
            found = [one[number] for one in both]
            title = f"noise, judge {number + 1} of two, planted {noise:.2f}"
            print(shown(title, found, [noise] * len(found)), flush=True)
    for noise in NOISES:
        sets = [selection_found(noise, study) for study in studies]
        title = f"mean delta of the top {K} of {PAIRS:,}, corrected, noise {noise:.2f}"
        line = shown(title, [one[0] for one in sets], [one[1] for one in sets])
        print(f"{line}  judged {fmean(one[2] for one in sets):.3f}, noiseless {fmean(one[3] for one in sets):.3f}")
    error = math.sqrt(0.95 * 0.05 / options.studies)
    print(f"{options.studies} studies a line: standard error {error:.3f}; {time.process_time() - start:.0f} CPU s")


if __name__ == "__main__":
    sys.exit(main())
