import pytest

from prefdelta.core.paper_claims import Claim
from prefdelta.records.registration import PlannedNumber, Registration
from prefdelta.reporting.claims.registered import standing

TEST = {"kind": "gains", "experiments": ["one"], "over": "all", "arms": {}}
CLAIM = Claim.model_validate(
    {
        "id": "it-helps",
        "claim": "It helps.",
        "trust": "I",
        "tests": [{"question": "Does it?", "effect": 1, "test": TEST}],
    }
)
PLANNED = PlannedNumber("All: it", "points", 500, 1.0, 0.8)
SAME, OTHER = {CLAIM.id: CLAIM.digest()}, {CLAIM.id: "another test"}


@pytest.mark.parametrize(
    ("registrations", "registered", "words"),
    [
        ([], False, "exploratory: not registered"),
        ([Registration({"another": "x"}, 0)], False, "exploratory: not registered"),
        ([Registration(OTHER, 0)], False, "exploratory: not registered"),
        ([Registration(SAME, 0)], True, "registered before the first arm was trained"),
        ([Registration(SAME, 0), Registration(SAME, 9)], True, "registered before the first arm was trained"),
        ([Registration(SAME, 1)], False, "exploratory: registered after 1 policy was trained"),
        ([Registration(OTHER, 0), Registration(SAME, 12)], False, "exploratory: edited after 12 policies were trained"),
    ],
)
def test_a_claim_is_registered_if_what_it_tests_was_fixed_before_the_first_training(registrations, registered, words):
    found = standing(CLAIM, registrations)
    assert (found.registered, found.words) == (registered, words)


def test_the_planned_numbers_are_those_of_the_first_registration():
    first = Registration(SAME, 0, {CLAIM.id: [PLANNED]})
    assert standing(CLAIM, [first, Registration(SAME, 3)]).planned == [PLANNED]
