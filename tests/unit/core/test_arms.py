import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.arms import Arm, Base, Pairing, draw_of, drawn, parse_arm, undrawn
from prefdelta.core.errors import StudyError

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]*", fullmatch=True)
draws = st.integers(0, 1000)
pairings = st.builds(lambda chosen, rejected, draw: Pairing(chosen, rejected).at(draw), names, names, draws)
arms = st.builds(Arm, names, pairings, names, names, st.integers(0, 10**9))

ARM = Arm("pa", Pairing("g-4.1", "g0"), "top-step_coherence-5", "dpo-updates", 12)


def test_names_read_as_they_are_documented():
    assert str(ARM.pairing) == "g-4.1~g0"
    assert str(ARM) == "pa/g-4.1~g0/top-step_coherence-5/dpo-updates/s12"
    assert ARM.family == "pa/g-4.1~g0/top-step_coherence-5/dpo-updates"
    assert str(ARM.base) == "pa/base"
    assert [str(Base("pa", temperature)) for temperature in (0.7, 0.125, 1.0)] == [
        "pa/base@0.7",
        "pa/base@0.125",
        "pa/base@1",
    ]


@given(pairings)
def test_a_pairing_is_read_from_its_name(pairing):
    assert Pairing.parse(str(pairing)) == pairing


@given(arms)
def test_an_arm_is_read_from_its_name(arm):
    assert Arm.parse(str(arm)) == parse_arm(str(arm)) == arm
    assert parse_arm(str(arm.base)) == Base(arm.policy)


@given(names, st.floats(0.001, 100))
def test_an_untrained_policy_at_another_temperature_is_read_from_its_name(policy, temperature):
    assert parse_arm(str(Base(policy, temperature))) == Base(policy, temperature)


@given(arms, arms)
def test_different_arms_have_different_names(one, other):
    assert (one == other) == (str(one) == str(other))


def test_generators_of_a_pairing_are_named_once_and_the_chosen_one_first():
    assert Pairing("b", "a").generators == ("b", "a")
    assert Pairing("a", "a").generators == ("a",)


@given(names, draws)
def test_a_draw_is_read_from_its_name(name, draw):
    assert (undrawn(drawn(name, draw)), draw_of(drawn(name, draw))) == (name, draw)


def test_draw_0_is_the_bare_name_and_both_sides_have_the_same_draw():
    pairing = Pairing.parse("g3@2~g0@2")
    assert (pairing.draw, str(pairing.undrawn), str(pairing.at(1)), pairing.at(2)) == (2, "g3~g0", "g3@1~g0@1", pairing)
    assert Pairing("g3", "g0").at(0) == Pairing("g3", "g0") == pairing.undrawn
    assert Pairing.parse("g0@1~g0@1").generators == ("g0@1",)
    for mixed in ("g3@1~g0@2", "g3@1~g0", "g0~g0@1"):
        with pytest.raises(StudyError, match="mixes two draws"):
            Pairing.parse(mixed)


def test_arms_of_all_draws_and_seeds_are_one_family():
    arms = [Arm.parse(f"pa/{Pairing('g3', 'g0').at(draw)}/all/dpo/s{seed}") for draw in (0, 1) for seed in (0, 1)]
    assert {arm.family for arm in arms} == {"pa/g3~g0/all/dpo"}
    assert [arm.draw for arm in arms] == [0, 0, 1, 1]
    assert len(set(map(str, arms))) == 4


@pytest.mark.parametrize("name", ["", "g4", "~g0", "g4~", "g4~g0~g1", "a/g4~g0", "g4~g0/all"])
def test_what_is_not_the_name_of_a_pairing(name):
    with pytest.raises(StudyError, match="is not the name of a pairing; they read <chosen>~<rejected>"):
        Pairing.parse(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "pa",
        "pa/base",
        "pa/g4/all/dpo/s0",
        "pa/g4~g0/all/dpo",
        "pa/g4~g0/all/dpo/s0/policy",
        "pa/g4~g0/all/dpo/0",
        "pa/g4~g0/all/dpo/s",
        "pa/g4~g0/all/dpo/s-1",
        "pa/g4~g0/all/dpo/s00",  # it would be written back as s0: one arm, one name
        "pa/g4~g0/all/dpo/s\u0661",  # a digit, but not one of ours
        "/g4~g0/all/dpo/s0",
        "pa/g4~g0//dpo/s0",
        "p~a/g4~g0/all/dpo/s0",
    ],
)
def test_what_is_not_the_name_of_an_arm(name):
    with pytest.raises(StudyError, match="is not the name of an arm"):
        Arm.parse(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "base", "/base", "pa/based", "pa/base/s0", "pa/g4~g0/all/dpo/zero"),
        *("pa/base@", "pa/base@cool", "pa/base@0.70", "pa/base@1.0", "pa/base@0.7/s0"),  # one temperature, one name
        *("pa/base@nan", "pa/base@inf", "pa/base@-inf"),
    ],
)
def test_what_is_neither_an_arm_nor_an_untrained_policy(name):
    with pytest.raises(StudyError, match="or <policy>/base"):
        parse_arm(name)
