import pytest

from prefdelta.core.arms import Arm
from prefdelta.reporting.arms import Repeats, families
from prefdelta.reporting.contrasts import common_part, contrast, gain, short_names, where
from prefdelta.reporting.evidence import BenchmarkLabel
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation

from .claims.planted import FAR, NEAR, planted

EVIDENCE = planted({"one": {"all": 1}}, seeds=1, prompts=10)
PLACE = where(EVIDENCE, "both", [NEAR])


def repeats(*names: str) -> Repeats:
    (family,) = families([Arm.parse(name) for name in names], merge_draws=True)
    return family


ONE = "pico/big~small/top-mean-5/dpo/s0"
RANDOM = "pico/big~small/random-5-s0/dpo/s0"


def test_a_gain_is_named_by_all_that_makes_it():
    name = gain(repeats(ONE, "pico/big@1~small@1/top-mean-5/dpo/s1"), PLACE).name
    assert name == "gain of top-mean-5 · big~small · dpo · pico · seeds 0, 1@1 · Near · T = 1"


@pytest.mark.parametrize(
    "other",
    [
        "pico/big~small/top-mean-5/dpo/s1",
        "pico/big~small/top-mean-5/sft/s0",
        "pico/big~small/top-mean-6/dpo/s0",
        "pico/big~big/top-mean-5/dpo/s0",
        "nano/big~small/top-mean-5/dpo/s0",
        "pico/big@1~small@1/top-mean-5/dpo/s0",
    ],
)
def test_contrasts_that_differ_in_one_thing_differ_in_name(other):
    assert gain(repeats(ONE), PLACE).name != gain(repeats(other), PLACE).name
    both = [contrast("", [[repeats(name)], [repeats(RANDOM)]], PLACE).name for name in (ONE, other)]
    assert both[0] != both[1]


def test_where_and_against_what_are_in_a_name():
    several = [where(EVIDENCE, "all", [NEAR, FAR]), where(EVIDENCE, "some", [NEAR, FAR]), where(EVIDENCE, "", [FAR])]
    names = [gain(repeats(ONE), place).name for place in (*several, PLACE)]
    names.append(gain(repeats(ONE), PLACE, "sharpened").name)
    assert len(set(names)) == len(names)
    assert "all (mean of 2)" in names[0]


def test_a_benchmark_that_is_asked_in_two_ways_is_told_apart():
    groups = {
        "all": BenchmarkGroup("All", ["near", "far"], primary=True),
        "greedy": BenchmarkGroup("Greedy", ["near"], primary=False, temperature=0.0),
        "again": BenchmarkGroup("Again", ["near"], primary=False),
    }
    evidence = planted({"one": {"all": 1}}, seeds=1, prompts=10)
    evidence.groups = groups
    names = [where(evidence, "", [Evaluation(group, "near")]).at for group in groups]
    assert names == ["T = 1, All", "greedy", "T = 1, Again"]


def test_benchmarks_of_one_title_are_told_apart():
    evidence = planted({"one": {"all": 1}}, seeds=1, prompts=10)
    evidence.benchmarks = {name: BenchmarkLabel("Same", "maths", in_domain=True) for name in ("near", "far")}
    assert [where(evidence, "", [one]).title for one in (NEAR, FAR)] == ["Same (near)", "Same (far)"]


def test_a_difference_tells_what_differs_and_then_what_both_sides_share():
    draws = repeats(RANDOM, "pico/big~small/random-5-s1/dpo/s0")
    assert contrast("", [[repeats(ONE)], [draws]], PLACE).what == "top-mean-5 − random-5-s0,1"
    sft = repeats("pico/big~small/top-mean-5/sft/s0")
    assert contrast("", [[repeats(ONE)], [sft]], PLACE).what == "top-mean-5: dpo − sft"
    seeds = repeats(RANDOM, "pico/big~small/random-5-s0/dpo/s1")
    told = contrast("", [[repeats(ONE)], [seeds]], PLACE)
    assert (told.what, told.runs) == ("top-mean-5 seed 0 − random-5-s0 seeds 0, 1", "")
    sides = [[repeats(ONE), repeats("pico/big~small/top-a-5/dpo/s0")], [repeats(RANDOM)]]
    assert contrast("", sides, PLACE).what == "mean of top-mean-5, top-a-5 − random-5-s0"


def test_what_all_names_share_is_said_once():
    contrasts = [gain(repeats(ONE.replace("-5/", f"-{k}/")), PLACE) for k in (5, 6)]
    assert short_names(contrasts) == ["gain of top-mean-5", "gain of top-mean-6"]
    assert short_names(contrasts, with_runs=True) == ["gain of top-mean-5 · seed 0", "gain of top-mean-6 · seed 0"]
    assert common_part(contrasts) == "big~small · dpo · pico · seed 0 · Near · T = 1"
    assert (common_part([]), short_names([])) == ("", [])
