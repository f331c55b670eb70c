"""The share of scores that noise changes, found again from two judgings. benchmarks/judge_reliability.py has more."""

import random

import pytest

from prefdelta.core.judging.noise import noise_shares
from prefdelta.core.tasks.rating import SCORES, one_step_off

SHARES = (0.02, 0.05, 0.13, 0.25, 0.55)  # of the noiseless scores: half of them are at an end
STUDIES = 25
# Of 25 intervals that hold with 0.95, 20 or fewer hold with a chance of 0.7%; the seeds are fixed.
LEAST = 21


def planted(study, *noises, n=400):
    chance = random.Random(f"{study} {noises}")
    scores = chance.choices(SCORES, SHARES, k=n)
    return [
        [one_step_off(score, chance.random() < 0.5) if chance.random() < noise else score for score in scores]
        for noise in noises
    ]


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
def test_the_noise_of_a_judge_asked_twice_is_found_again_within_its_interval(noise):
    found = [noise_shares(*planted(study, noise, noise), same_judge=True) for study in range(STUDIES)]
    assert all(one.first == one.second for one in found)
    assert sum(one.first.low <= noise <= one.first.high for one in found) >= LEAST
    assert sum(one.first.value for one in found) / STUDIES == pytest.approx(noise, abs=0.01)
    assert all(one.first.high - one.first.low < 0.1 for one in found)


def test_two_judges_of_different_noise_are_told_apart():
    found = [noise_shares(*planted(study, 0.05, 0.3), same_judge=False) for study in range(10)]
    assert all(one.first.value < one.second.value for one in found)
    assert sum(one.first.low <= 0.05 <= one.first.high for one in found) >= 8
    assert sum(one.second.low <= 0.3 <= one.second.high for one in found) >= 8


def test_judgings_that_agree_everywhere_show_no_noise_and_say_how_much_there_may_be():
    scores = [1, 2, 3, 4, 5] * 20
    both = noise_shares(scores, scores, same_judge=True).first
    assert both.value == pytest.approx(0, abs=1e-6)
    assert (both.low, both.n) == (0, 100)
    assert 0.001 < both.high < 0.03  # three in a hundred are excluded: 0.97 ** (2 x 100) is 0.002


def test_scores_further_apart_than_the_noise_can_part_them_are_counted_and_left_out():
    found = noise_shares([5, 5, 5, 3], [5, 5, 1, 5], same_judge=True)
    assert (found.beyond, found.first.n) == (1, 3)


def test_without_traces_there_is_no_value():
    assert noise_shares([], [], same_judge=True).first.value is None
