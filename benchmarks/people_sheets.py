"""How often the intervals of a people's sheet hold the planted truth, and how wide they are.

    .venv/bin/python benchmarks/people_sheets.py [--studies 400]      two minutes

1,500 pairs; people see a better chosen trace in a planted share of them; the judge sees it with a planted sensitivity
and specificity. The sheet is drawn as `prefdelta annotate export` draws it. Beside it, the interval that a user would
pick: Wilson's, of the sheet's pairs without their weights.

    --library: the corrected mean beside that of ppi-python (`pip install ppi-python==0.2.3 pydantic`: it brings numba
    and scikit-learn, so in an environment of its own, with PYTHONPATH=src and `python -P`).
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from prefdelta.core.people.estimates import StratifiedSample, cells_of, corrected_mean, judge_errors, people_mean
from prefdelta.core.people.sampling import draw, label_of, strata_of
from prefdelta.core.statistics import Estimate, wilson_interval

PAIRS = 1500
NAMES = ("sensitivity", "specificity", "corrected")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--library", action="store_true")
    arguments = parser.parse_args()
    if arguments.library:
        library()
        return
    print("coverage of 95% intervals: sensitivity, specificity, share better by people; in brackets plain Wilson's")
    for planted in ((0.9, 0.8, 0.55), (0.7, 0.95, 0.55), (0.95, 0.95, 0.8), (0.6, 0.6, 0.5), (0.99, 0.9, 0.3)):
        covered, plain, _ = errors(*planted, scored=150, studies=arguments.studies)
        print(f"  {planted}, 150 pairs: {_row(covered)}  [{_row(plain)}]")
    print("half widths, sensitivity 0.85, specificity 0.85, share 0.6")
    for scored in (50, 100, 200, 400):
        covered, _, half = errors(0.85, 0.85, 0.6, scored=scored, studies=arguments.studies)
        print(f"  {scored} pairs: {_row(half)}; coverage {_row(covered)}")
    print("mean delta, judge 0.4 too high: coverage, half width corrected by the sheet, half width of the sheet alone")
    for scored in (50, 100, 200, 400):
        print(f"  {scored} pairs: {_row(means(scored, arguments.studies))}")


def errors(
    sensitivity: float, specificity: float, share: float, scored: int, studies: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Coverage, coverage of plain Wilson intervals (of the share: of people's share on the sheet), half widths."""
    truth = (sensitivity, specificity, share)
    covered, plain, half = np.zeros(3), np.zeros(3), np.zeros(3)
    for study in range(studies):
        generator = np.random.default_rng([study, 7])
        better = generator.random(PAIRS) < share
        positive = generator.random(PAIRS) < np.where(better, sensitivity, 1 - specificity)
        judge = np.where(positive, generator.integers(1, 4, PAIRS), -generator.integers(0, 3, PAIRS)).astype(float)
        drawn, labels = sheet(judge, scored, study)
        judged = {str(i): (labels.index(label_of(judge[i])), bool(positive[i])) for i in range(PAIRS)}
        found = judge_errors(cells_of(judged, {str(i): bool(better[i]) for i in drawn}), study)
        by_people, by_judge = better[drawn], positive[drawn]
        naive = (
            wilson_interval(int((by_people & by_judge).sum()), int(by_people.sum())),
            wilson_interval(int((~by_people & ~by_judge).sum()), int((~by_people).sum())),
            wilson_interval(int(by_people.sum()), len(drawn)),
        )
        for at, name in enumerate(NAMES):
            covered[at] += _holds(getattr(found, name), truth[at])
            plain[at] += _holds(naive[at], truth[at])
            half[at] += _half(getattr(found, name))
    return covered / studies, plain / studies, half / studies


def means(scored: int, studies: int) -> NDArray[np.float64]:
    """Coverage and half width of the corrected mean, and the half width of the sheet's own."""
    found = np.zeros(3)
    for study in range(studies):
        people, judge = kind_judge(np.random.default_rng([study, 8]))
        drawn, labels = sheet(judge, scored, study)
        strata = [labels.index(label_of(judge[i])) for i in drawn]
        sizes = [sum(label_of(delta) == label for delta in judge) for label in labels]
        sample = StratifiedSample.of(strata, sizes)
        assert sample is not None
        corrected = corrected_mean(sample, people[drawn], judge[drawn], float(judge.mean()))
        found += (_holds(corrected, 0.3), _half(corrected), _half(people_mean(sample, people[drawn])))
    return found / studies


def kind_judge(generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """People's deltas of mean 0.3, and those of a judge that is 0.4 points too kind to the chosen side."""
    truth = generator.normal(0.3, 1, PAIRS)
    people = np.clip(np.round(truth), -4, 4)
    return people, np.clip(np.round(truth + 0.4 + generator.normal(0, 0.6, PAIRS)), -4, 4)


def sheet(judge: NDArray[np.float64], scored: int, seed: int) -> tuple[list[int], list[str]]:
    """The pairs of a sheet, and the labels of its strata."""
    deltas = {str(i): float(delta) for i, delta in enumerate(judge)}
    strata = strata_of(deltas)
    return [int(pair_id) for pair_id, _ in draw(deltas, strata, scored, seed)], [one.label for one in strata]


def library() -> None:
    """One sheet of one stratum: there, ours must equal PPI++ with the other pairs as unlabelled data."""
    from ppi_py import ppi_mean_ci, ppi_mean_pointestimate

    people, judge = kind_judge(np.random.default_rng(1))
    sample = StratifiedSample.of([0] * 150, [PAIRS])
    assert sample is not None
    ours = corrected_mean(sample, people[:150], judge[:150], float(judge.mean()))
    theirs = ppi_mean_pointestimate(people[:150], judge[:150], judge[150:], lam=None)
    low, high = ppi_mean_ci(people[:150], judge[:150], judge[150:], alpha=0.05, lam=None)
    print(f"ours   {ours.value:.4f} [{ours.low:.4f}, {ours.high:.4f}]")
    print(f"theirs {float(theirs[0]):.4f} [{float(low[0]):.4f}, {float(high[0]):.4f}]")


def _holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low is not None and estimate.high is not None and estimate.low <= truth <= estimate.high


def _half(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return (estimate.high - estimate.low) / 2


def _row(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    main()
