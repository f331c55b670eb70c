"""What a sheet says of all pairs: by hand, against planted truths, and against simple random sampling."""

import math

import numpy as np
import pytest

from prefdelta.core.people.estimates import Cell, StratifiedSample, cells_of, corrected_mean, judge_errors, people_mean
from prefdelta.core.people.sampling import allocation, label_of

PAIRS, SCORED, STUDIES = 1500, 150, 400


def draw(judge, generator, scored=SCORED):
    """Indexes of a sheet's pairs, drawn as an export draws them, and the sample."""
    labels = [label_of(delta) for delta in judge]
    names = sorted(set(labels))
    members = [[i for i, label in enumerate(labels) if label == name] for name in names]
    counts = allocation([len(each) for each in members], scored)
    drawn = [generator.choice(each, count, replace=False) for each, count in zip(members, counts, strict=True)]
    strata = [stratum for stratum, picked in enumerate(drawn) for _ in picked]
    return np.concatenate(drawn), StratifiedSample.of(strata, [len(each) for each in members])


def test_a_stratified_mean_by_hand():
    """Strata of 30 and 10 pairs, two scored in each: means 2 and 5, weights 3/4 and 1/4."""
    sample = StratifiedSample.of([0, 0, 1, 1], [30, 10])
    people = np.array([1.0, 3.0, 4.0, 6.0])
    found = people_mean(sample, people)
    assert found.value == pytest.approx(0.75 * 2 + 0.25 * 5)
    # Within strata s^2 = 2: (9/16)(1 - 2/30)(2/2) + (1/16)(1 - 2/10)(2/2). Between pairs: the spread around 2.75 is
    # 0.375 (1.75^2 + 0.25^2) + 0.125 (1.25^2 + 3.25^2) = 2.6875, by 4/3 for n = 4, over 40 pairs.
    within = 9 / 16 * 28 / 30 + 1 / 16 * 8 / 10
    assert found.se == pytest.approx(math.sqrt(within + 2.6875 * 4 / 3 / 40))


def test_a_stratum_with_one_scored_pair_is_joined_with_its_neighbour():
    sample = StratifiedSample.of([0, 1, 1, 2], [5, 10, 20])
    assert sample.sizes.tolist() == [35]
    sample = StratifiedSample.of([0, 0, 1, 2, 2], [5, 10, 20])
    assert sample.sizes.tolist() == [5, 30]
    assert StratifiedSample.of([0], [5, 10]) is None


def test_of_one_stratum_the_corrected_mean_is_that_of_ppi_plus_plus():
    """Against the formulas of 2311.01453 (eq. 6 and section 6), with the pairs outside of the sheet as unlabelled."""
    generator = np.random.default_rng(1)
    judge = generator.normal(0.5, 1, 400)
    people = 0.6 * judge + generator.normal(0.1, 0.5, 400)
    sample = StratifiedSample.of([0] * 80, [400])
    found = corrected_mean(sample, people[:80], judge[:80], float(judge.mean()))
    covariance = np.cov(people[:80], judge[:80])
    power = covariance[0, 1] / covariance[1, 1] / (1 + 80 / 320)
    assert found.value == pytest.approx(people[:80].mean() - power * (judge[:80].mean() - judge[80:].mean()))
    variance = power**2 * covariance[1, 1] / 320 + np.var(people[:80] - power * judge[:80], ddof=1) / 80
    assert found.se == pytest.approx(math.sqrt(variance), rel=0.02)
    assert found.se < people_mean(sample, people[:80]).se


def test_the_judges_errors_by_hand():
    """60 pairs better by the judge, of which people confirm 3 of 4; 40 not better, of which they find 1 of 4 better."""
    cells = [Cell(0, False, 40, 4, 1), Cell(1, True, 60, 4, 3)]
    found = judge_errors(cells, 1)
    assert found.sensitivity.value == pytest.approx(45 / 55)
    assert found.specificity.value == pytest.approx(30 / 45)
    assert found.corrected.value == pytest.approx(0.55)
    rogan_gladen = (0.6 + 30 / 45 - 1) / (45 / 55 + 30 / 45 - 1)
    assert found.corrected.value == pytest.approx(rogan_gladen)
    assert [found.sensitivity.n, found.specificity.n, found.corrected.n] == [4, 4, 8]


def test_a_cell_that_nobody_scored_is_joined_with_one_of_the_same_word():
    judged = {"a": (0, False), "b": (1, False), "c": (2, False), "d": (2, True)}
    assert cells_of(judged, {"a": True, "c": False, "d": True}) == [
        Cell(0, False, 2, 1, 1),
        Cell(2, False, 1, 1, 0),
        Cell(2, True, 1, 1, 1),
    ]
    assert cells_of(judged, {"a": True, "c": False}) == []


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "share"), [(0.9, 0.8, 0.55), (0.7, 0.95, 0.55), (0.95, 0.95, 0.8)]
)
def test_a_planted_sensitivity_and_specificity_are_found_again(sensitivity, specificity, share):
    """People see that a share of the pairs is better; the judge, with its errors, gives deltas from -2 to 3.

    In the last world 1% of the pairs are called better and are not: most sheets hold one of them, or none.
    """
    inside = dict.fromkeys(("sensitivity", "specificity", "corrected"), 0)
    for study in range(STUDIES):
        generator = np.random.default_rng([study, 7])
        better = generator.random(PAIRS) < share
        positive = generator.random(PAIRS) < np.where(better, sensitivity, 1 - specificity)
        judge = np.where(positive, generator.integers(1, 4, PAIRS), -generator.integers(0, 3, PAIRS)).astype(float)
        drawn, _ = draw(judge, generator)
        labels = sorted({label_of(delta) for delta in judge})
        judged = {str(i): (labels.index(label_of(judge[i])), bool(positive[i])) for i in range(PAIRS)}
        found = judge_errors(cells_of(judged, {str(i): bool(better[i]) for i in drawn}), study)
        for name, truth in zip(inside, (sensitivity, specificity, share), strict=True):
            estimate = getattr(found, name)
            inside[name] += estimate.low <= truth <= estimate.high
    assert min(inside.values()) >= 0.93 * STUDIES, inside


def test_a_planted_mean_is_found_again_and_the_judge_alone_misses_it():
    """The judge is 0.4 points too kind to the chosen side; its errors grow with its own delta."""
    corrected = naive = 0
    widths = []
    for study in range(STUDIES):
        generator = np.random.default_rng([study, 8])
        truth = generator.normal(0.3, 1, PAIRS)
        people = np.clip(np.round(truth), -4, 4)
        judge = np.clip(np.round(truth + 0.4 + generator.normal(0, 0.6, PAIRS)), -4, 4)
        drawn, sample = draw(judge, generator)
        found = corrected_mean(sample, people[drawn], judge[drawn], float(judge.mean()))
        alone = people_mean(sample, people[drawn])
        corrected += found.low <= 0.3 <= found.high
        naive += abs(judge.mean() - 0.3) < 0.1
        widths.append((found.high - found.low) / (alone.high - alone.low))
    assert corrected >= 0.93 * STUDIES
    assert naive == 0
    assert np.mean(widths) < 1
