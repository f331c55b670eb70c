import math
import re

import pytest
from pydantic import TypeAdapter

from prefdelta.core.paper_claims import Test as PaperTest
from prefdelta.reporting.claims.claim_tests import NO_MATCH, measure

from .planted import planted

LADDER = {"weak~weak": 0.0, "a~weak": 0.1, "b~weak": 0.2, "c~weak": 0.3, "shipped~weak": 0.9}


def asked(**fields: object) -> PaperTest:
    over = {} if fields["kind"] == "delta_trend" else {"over": "in_domain"}
    return TypeAdapter(PaperTest).validate_python({"experiments": ["one"], **over, **fields})


def ladder(gains: dict[str, tuple[float, float]], **rest: object):
    arms = {f"{pairing}/all/dpo": gain for pairing, gain in gains.items()}
    return planted({"one": arms}, seeds=3, prompts=20_000, run_sd=0.1, gaps=LADDER, shipped={"shipped"}, **rest)


def test_arms_on_several_draws_of_traces_are_repeats_of_one_place():
    evidence = planted(
        {"one": {f"{pairing}/all/dpo": 3 * place for place, pairing in enumerate(("a~weak", "b~weak", "c~weak"), 1)}
         | {f"{name}@1~weak@1/all/dpo": 3 * place for place, name in enumerate("abc", 1)}},
        seeds=1, prompts=20_000, run_sd=0.1, gaps=LADDER,
    )  # fmt: skip
    (number,) = measure(asked(kind="trend"), evidence)
    assert number.title == "slope of the gain along a, b, c over weak · all · dpo · pico · seeds 0, 0@1 · Near · T = 1"
    assert number.estimate.value == pytest.approx(3, abs=0.4)
    assert (number.seeds, number.estimate.run_df) == (["0", "0@1"], 3)
    assert len(number.sums[0]) == 4  # the middle place has no weight in a slope over three


def test_a_trend_is_a_slope_per_ten_points_without_the_zero_delta_and_without_shipped_traces():
    evidence = ladder(
        {"c~weak": (9, 0), "a~weak": (3, 0), "b~weak": (6, 0), "weak~weak": (20, 0), "shipped~weak": (-20, 0)}
    )
    (number,) = measure(asked(kind="trend"), evidence)
    assert "along a, b, c over weak" in number.title
    assert number.estimate.value == pytest.approx(3, abs=0.4)
    assert number.estimate.low < 3 < number.estimate.high
    assert number.seeds == ["0", "1", "2"]
    (lower,) = measure(asked(kind="trend", part="lower half"), evidence)
    assert lower.estimate.value == pytest.approx(3, abs=0.8)


def test_how_well_a_line_fits_is_said():
    for gains, fits in (((3, 6, 9), True), ((3, 20, 9), False)):
        evidence = ladder({f"{name}~weak": (gain, gain) for name, gain in zip("abc", gains, strict=True)})
        (number,) = measure(asked(kind="trend"), evidence)
        assert (float(re.fullmatch(r"off the line: p = (.*)", number.note)[1]) > 0.05) == fits


@pytest.mark.parametrize(
    ("gains", "holds"),
    [((2, 8, 8), True), ((2, 8, 14), False), ((2, 8, 2), False), ((0, 0, 0), False)],
    ids=["a plateau", "a line", "an inverted U", "nothing"],
)
def test_to_level_off_is_to_change_by_less_than_a_share_of_a_gain(gains, holds):
    evidence = ladder({f"{name}~weak": (gain, gain) for name, gain in zip("abc", gains, strict=True)})
    below, above = measure(asked(kind="levels_off", share=0.5), evidence)
    assert (below.above, above.above) == (False, True)
    change, bound = gains[2] - gains[1], 0.5 * gains[1]
    assert below.estimate.value == pytest.approx(change - bound, abs=1)
    assert above.estimate.value == pytest.approx(change + bound, abs=1)
    assert (below.estimate.high < 0 < above.estimate.low) == holds


def test_gains_are_of_arms_that_could_gain():
    evidence = ladder({"weak~weak": (0, 0), "a~weak": (4, 0), "b~weak": (6, 0)})
    numbers = measure(asked(kind="gains", arms={}), evidence)
    assert numbers[0].title == "gain of all · a~weak · dpo · pico · seeds 0, 1, 2 · Near · T = 1"
    assert [number.contrast.pairing for number in numbers] == ["a~weak", "b~weak"]
    assert [number.estimate.value for number in numbers] == pytest.approx([4, 6], abs=1)


def test_a_difference_takes_random_draws_together():
    evidence = planted({"one": {"top-mean-5": 8, "random-5-s0": 3, "random-5-s1": 5}}, seeds=2, prompts=20_000)
    sides = {"left": {"selections": ["top-mean-{k}"]}, "right": {"selections": ["random-{k}-s*"]}}
    (number,) = measure(asked(kind="difference", share=0.05, **sides), evidence)
    assert number.contrast.what == "top-mean-5 − random-5-s0,1"
    assert number.estimate.value == pytest.approx(4, abs=1.2)
    assert measure(asked(kind="difference", **{**sides, "right": {"selections": ["absent"]}}), evidence) == []


ABILITY = {"weak": 0.3, "a": 0.4, "b": 0.5, "c": 0.6, "shipped": 0.9}


@pytest.mark.parametrize("rejected", [-3, 0], ids=["the delta counts", "the chosen side alone counts"])
def test_a_grid_takes_the_chosen_and_the_rejected_generator_apart(rejected):
    cells = [f"{x}~{y}" for x in ("a", "b", "c") for y in ("weak", "a", "b")]
    gains = {
        f"{cell}/all/dpo": 3 * 10 * ABILITY[cell[0]] + rejected * 10 * ABILITY[cell.partition("~")[2]] for cell in cells
    }
    evidence = planted(
        {"one": {**gains, "shipped~weak/all/dpo": -50}}, seeds=2, prompts=20_000, run_sd=0.1, accuracies=ABILITY,
        shipped={"shipped"},
    )  # fmt: skip
    chosen, lower = measure(asked(kind="grid"), evidence)
    assert (chosen.above, lower.above) == (True, False)
    assert chosen.contrast.what == "slope of the gain along the chosen side of a, b, c over weak, a, b"
    assert chosen.estimate.value == pytest.approx(3, abs=0.3)
    assert lower.estimate.value == pytest.approx(rejected, abs=0.3)
    assert (chosen.estimate.low > 0, lower.estimate.high < 0) == (True, rejected < 0)


def test_a_grid_needs_rejected_generators_that_vary():
    gains = {f"{x}~weak/all/dpo": 1 for x in ("a", "b", "c")}
    assert measure(asked(kind="grid"), planted({"one": gains}, seeds=2, accuracies=ABILITY)) == []


SHARPER = {"pico/base@0.5": 4.0, "pico/base@0.25": 8.0}
NATS = {"pico/base@0.5": 0.5, "pico/base@0.25": 0.25, "pico/base": 1.0, "pico/big~small/top": 0.75, "pico": 0.375}


@pytest.mark.parametrize(
    ("test", "value"),
    [
        ({"kind": "gains", "arms": {"selections": ["top-mean-5"]}}, 10 - 2),
        ({"kind": "gains", "arms": {"selections": ["all"]}}, 7 - 6),
        (
            {"kind": "difference", "left": {"selections": ["top-mean-5"]}, "right": {"selections": ["all"]}},
            (10 - 2) - (7 - 6),
        ),
        (
            {"kind": "difference", "left": {"selections": ["top-mean-5", "all"]}, "right": {"selections": ["all"]}},
            ((10 - 2) - (7 - 6)) / 2,
        ),
    ],
    ids=["half of the way to the first", "half of the way to the second", "each beyond its own", "on both sides"],
)
def test_a_gain_beyond_the_sharpened_base_is_over_the_temperature_of_the_arms_own_entropy(test, value):
    gains = {"base": SHARPER, "one": {"top-mean-5": 10, "all": 7}}
    evidence = planted(gains, seeds=2, prompts=40_000, run_sd=0.1, entropies=NATS)
    (number,) = measure(asked(**test, against="sharpened"), evidence)
    assert number.estimate.value == pytest.approx(value, abs=1)


def test_a_study_without_other_temperatures_has_no_gain_beyond_them():
    evidence = planted({"one": {"all": 7}}, seeds=2)
    assert measure(asked(kind="gains", arms={}, against="sharpened"), evidence) == []


def test_a_family_without_entropy_stays_a_number_of_its_test_unless_no_family_has_one():
    gains = {"base": SHARPER, "one": {"top-mean-5": 10, "all": 7}}
    test = asked(kind="gains", arms={}, against="sharpened")
    evidence = planted(gains, seeds=2, entropies={**NATS, "pico/big~small/top": math.nan})
    lacking, known = measure(test, evidence)
    assert (lacking.estimate.value, lacking.obstacle, known.obstacle) == (None, NO_MATCH, "")
    assert known.estimate.value is not None
    nowhere = {name: nats for name, nats in NATS.items() if "base" in name} | {"pico": math.nan}
    assert measure(test, planted(gains, seeds=2, entropies=nowhere)) == []


@pytest.mark.parametrize(("kept", "holds"), [(10, True), (5, False)])
def test_what_is_kept_is_a_share_of_a_gain_that_is_there(kept, holds):
    evidence = planted({"one": {"top-mean-5": kept, "all": 10}}, seeds=3, prompts=20_000, run_sd=0.1)
    sides = {"left": {"selections": ["top-mean-5"]}, "right": {"selections": ["all"]}}
    whole, rest = measure(asked(kind="retains", keeps=0.8, **sides), evidence)
    assert whole.estimate.value == pytest.approx(10, abs=0.8)
    assert rest.estimate.value == pytest.approx(kept - 8, abs=1)
    assert (rest.estimate.low > 0) == holds
    share, low, high = map(float, re.fullmatch(r"keeps (.*)% \[(.*), (.*)\] of it", rest.note).groups())
    assert low < 10 * kept < high
    assert share == pytest.approx(10 * kept, abs=8)


def test_steadiness_compares_spreads_over_sizes():
    steady = {f"top-step-{k}": 5 for k in (1, 2, 3)}
    other = {f"top-mean-{k}": gain for k, gain in ((1, 0), (2, 5), (3, 10))}
    evidence = planted({"one": {**steady, **other}}, seeds=3, prompts=20_000, run_sd=0.1)
    sides = {"left": {"selections": ["top-step-*"]}, "right": {"selections": ["top-mean-*"]}}
    (number,) = measure(asked(kind="steadiness", **sides), evidence)
    assert not number.above
    assert number.estimate.value == pytest.approx(-25, abs=4)
    assert number.estimate.low < -25 < number.estimate.high


def test_a_judge_that_counts_tokens_gives_no_slope_once_length_is_taken_out():
    """Deltas are length differences over 10, which rise along the generators; or they rise beside them."""
    prompts = [f"p{number}" for number in range(400)]
    lengths = {
        pairing: {prompt: 10.0 * place + number % 20 for number, prompt in enumerate(prompts)}
        for place, pairing in enumerate(("a~weak", "b~weak", "c~weak"))
    }
    by_length = {pairing: {name: one / 10 for name, one in of.items()} for pairing, of in lengths.items()}
    beside = {
        pairing: {name: place + number // 20 % 5 - 2.0 for number, name in enumerate(prompts)}
        for place, pairing in enumerate(lengths)
    }
    for deltas, left in ((by_length, 0.0), (beside, 1.0)):
        evidence = ladder(dict.fromkeys(lengths, (0, 0)), deltas=deltas, lengths=lengths)
        plain, given = (
            measure(asked(kind="delta_trend", dimension="clarity", given_length=given), evidence)[0].estimate
            for given in (False, True)
        )
        assert plain.value == pytest.approx(1)
        assert given.value == pytest.approx(left, abs=0.05)
