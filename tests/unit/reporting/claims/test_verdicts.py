import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.paper_claims import Claim
from prefdelta.core.statistics import Estimate, Variance, t_interval
from prefdelta.reporting.claims import verdicts
from prefdelta.reporting.claims.claim_tests import ClaimNumber
from prefdelta.reporting.claims.verdicts import judge_claims, read_claims
from prefdelta.reporting.contrasts import ContrastName

from .planted import Planted, planted

CLAIMS = Path(__file__).parents[4] / "resources/claims.yaml"
GAIN = {"kind": "gains", "experiments": ["one"], "over": "all", "arms": {}}
LENGTH = {"cause": "length", "control": {"question": "Length?", "effect": 1, "test": {**GAIN, "experiments": ["two"]}}}


def claim(tests: Sequence[dict[str, object]], confounds: Sequence[dict[str, object]] = ()) -> Claim:
    asked = [{"question": f"Q{number}?", "effect": 4, "test": test} for number, test in enumerate(tests)]
    return Claim.model_validate(
        {"id": "it-helps", "claim": "It helps.", "trust": "I", "tests": asked, "confounds": list(confounds)}
    )


def verdict_of(claim: Claim, evidence: Planted) -> str:
    (result,) = judge_claims(verdicts.Claims(source="here", claims=[claim]), evidence, "").results
    return result.verdict


GAINING, EQUAL, LOSING = (
    planted({"one": {"top-mean-5": gain, "random-5-s0": gain}, "two": {"top-mean-6": 9}}, seeds=3)
    for gain in (9, 0, -9)
)


@pytest.mark.parametrize(
    ("evidence", "confounds", "expected"),
    [
        (GAINING, [], "reproduced"),
        (GAINING, [LENGTH], "reproduced"),
        (GAINING, [{"cause": "length"}], "confounded with length"),
        (GAINING, [{"cause": "length"}, LENGTH, {"cause": "luck"}], "confounded with length and luck"),
        (LOSING, [{"cause": "length"}], "contradicted"),
        (EQUAL, [{"cause": "length"}], "not seen"),
        (planted({"one": {"top-mean-5": 0}}, seeds=3, prompts=60), [], "underpowered"),
        (planted({"one": {"top-mean-5": 9}, "two": {"top-mean-6": 0}}, seeds=3), [LENGTH], "confounded with length"),
        (planted({"one": {"top-mean-5": 9}}, seeds=3), [LENGTH], "partly run"),
        (planted({"two": {"top-mean-6": 9}}, seeds=3), [LENGTH], "not run"),
        (planted({"one": {"top-mean-5": 9}}, seeds=1), [], "underpowered"),  # nothing shows how much runs vary
    ],
)
def test_the_rule(evidence, confounds, expected):
    assert verdict_of(claim([GAIN], confounds), evidence) == expected


@pytest.mark.parametrize(
    ("second", "expected"), [(9, "reproduced"), (0, "confounded with length"), (None, "partly run")]
)
def test_a_cause_is_ruled_out_if_all_its_controls_hold(second, expected):
    gains = {"one": {"top-mean-5": 9}, "two": {"top-mean-6": 9}}
    third = {} if second is None else {"three": {"top-mean-7": second}}
    control = LENGTH["control"]
    other = {**control, "question": "Length again?", "test": {**control["test"], "experiments": ["three"]}}
    judged = claim([GAIN], [{"cause": "length", "control": [control, other]}])
    evidence = planted(gains | third, seeds=3)
    (result,) = judge_claims(verdicts.Claims(source="here", claims=[judged]), evidence, "").results
    assert (result.verdict, result.confounds[0].ruled_out) == (expected, second == 9)


def test_a_claim_with_a_test_that_lacks_arms_is_partly_run_whatever_the_others_say():
    absent = {**GAIN, "experiments": ["absent"]}
    assert verdict_of(claim([GAIN, absent]), GAINING) == verdict_of(claim([GAIN, absent]), LOSING) == "partly run"


def test_an_arm_that_one_of_several_patterns_needs_is_missed():
    both = {**GAIN, "arms": {"selections": ["top-mean-5", "bottom-mean-5"]}}
    assert verdict_of(claim([both]), GAINING) == "not run"


def test_one_number_that_lies_on_the_other_side_by_chance_contradicts_nothing(monkeypatch):
    """p = 0.01 of one number is no news among 40: Holm wants 0.025 / 40."""

    def measured(title: str, value: float) -> ClaimNumber:
        return ClaimNumber(ContrastName(title), t_interval(value, 100, [Variance(1.0, 1e9)], run_df=9))

    for others, expected in ((0, "contradicted"), (39, "not seen")):
        numbers = [measured("low", -2.33), *(measured("even", 0.0) for _ in range(others))]
        monkeypatch.setattr(verdicts, "measure", lambda test, evidence, numbers=numbers: numbers)
        assert verdict_of(claim([GAIN]), GAINING) == expected


SHARPENED = {**GAIN, "against": "sharpened"}
SHARPENING = {"cause": "sharpening", "control": {"question": "Beyond it?", "effect": 1, "test": SHARPENED}}


@pytest.mark.parametrize(
    ("nats", "gain", "expected"),
    [
        (0.375, 6, "confounded with sharpening"),  # the untrained policy is as good where it is as sharp
        (0.375, 16, "reproduced"),
        (0.125, 12, "confounded with sharpening"),  # sharper than any temperature: this is what a cooler one would gain
    ],
)
def test_sharpening_is_ruled_out_by_temperatures_that_are_as_sharp_as_the_arm(nats, gain, expected):
    gains = {"base": {"pico/base@0.5": 4.0, "pico/base@0.25": 8.0}, "one": {"all": gain}}
    entropies = {"pico/base@0.5": 0.5, "pico/base@0.25": 0.25, "pico/base": 1.0, "pico": nats}
    evidence = planted(gains, seeds=3, prompts=20_000, entropies=entropies)
    judged = judge_claims(verdicts.Claims(source="here", claims=[claim([GAIN], [SHARPENING])]), evidence, "").results[0]
    assert judged.verdict == expected
    leaves = nats < 0.25
    assert ("sharper than the coolest temperature" in judged.confounds[0].numbers[0].number.title) == leaves
    assert ("base_temperatures" in judged.needs) == leaves


def test_a_control_is_open_where_one_of_its_arms_has_no_entropy():
    gains = {"base": {"pico/base@0.5": 4.0, "pico/base@0.25": 8.0}, "one": {"all": 16, "top-mean-5": 16}}
    entropies = {"pico/base@0.5": 0.5, "pico/base@0.25": 0.25, "pico/base": 1.0, "pico/big~small/all": 0.375}
    evidence = planted(gains, seeds=3, entropies={**entropies, "pico": math.nan})
    (result,) = judge_claims(verdicts.Claims(source="here", claims=[claim([GAIN], [SHARPENING])]), evidence, "").results
    assert [number.outcome for number in result.confounds[0].numbers] == ["holds", "open"]
    assert result.verdict == "confounded with sharpening"
    assert result.needs.startswith("the entropies of all answers")


def test_the_number_furthest_from_holding_decides():
    evidence = planted({"one": {"top-mean-5": 9, "top-mean-7": 0}}, seeds=3)
    (result,) = judge_claims(verdicts.Claims(source="here", claims=[claim([GAIN])]), evidence, "").results
    assert result.deciding is not None
    assert "top-mean-7" in result.deciding.number.title


def test_what_to_run_is_said():
    small = planted({"one": {"top-mean-5": 0}}, seeds=3, prompts=60)
    (result,) = judge_claims(verdicts.Claims(source="here", claims=[claim([GAIN])]), small, "").results
    (number,) = result.numbers
    assert number.detectable is not None
    assert f"about {(number.detectable / 4) ** 2:.0f}"[:7] in result.needs
    (result,) = judge_claims(verdicts.Claims(source="here", claims=[claim([GAIN], [LENGTH])]), small, "").results
    assert result.needs == "arms for: Length?"


def test_without_an_interval_nothing_holds():
    estimate = Estimate(3.0, None, None, 1, run_df=4)
    assert verdicts._p(ClaimNumber(ContrastName("x"), estimate)) == 1


def test_the_papers_claims_are_readable():
    found = read_claims(CLAIMS)
    ids = [claim.id for claim in found.claims]
    assert len(set(ids)) == len(ids) >= 8


def test_an_edit_of_a_test_makes_another_claim_and_one_of_its_words_does_not():
    found = claim([GAIN], [LENGTH])
    assert found.digest() == found.model_copy(update={"claim": "It heals.", "trust": "V"}).digest()
    assert found.digest() != claim([{**GAIN, "over": "panels"}], [LENGTH]).digest()
    assert found.digest() != claim([GAIN]).digest()
    control = LENGTH["control"]
    both = [
        claim([GAIN], [{"cause": "length", "control": [control, {**control, "question": q}]}]) for q in ("A?", "B?")
    ]
    assert both[0].digest() == both[1].digest() != found.digest()


def test_a_mistake_in_the_claims_is_told_with_its_place(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(CLAIMS.read_text().replace("over: out_of_domain", "over: everywhere"))
    with pytest.raises(StudyError, match=r"claims\.yaml: claims\.0\.tests\.0\.test\.trend\.over.*Mend the file"):
        read_claims(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(StudyError, match="cannot be read"):
        read_claims(tmp_path / "claims.yaml")
