"""Whether a claim was fixed before anything was trained."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefdelta.core.paper_claims import Claim
from prefdelta.records.registration import PlannedNumber, Registration


@dataclass(frozen=True, slots=True)
class Standing:
    """A claim's registration."""

    registered: bool  # before the first policy was trained, as it is tested now
    words: str
    planned: Sequence[PlannedNumber] = ()


def standing(claim: Claim, registrations: Iterable[Registration]) -> Standing:
    """The standing by the earliest registration of what the claim tests. registrations: the earliest first."""
    of_claim = [registration for registration in registrations if claim.id in registration.claims]
    same = [registration for registration in of_claim if registration.claims[claim.id] == claim.digest()]
    if not same:
        return Standing(False, "exploratory: not registered")
    first = same[0]
    planned = first.planned.get(claim.id, ())
    if first.trained == 0:
        return Standing(True, "registered before the first arm was trained", planned)
    policies = f"{first.trained:,} {'policy was' if first.trained == 1 else 'policies were'} trained"
    return Standing(
        False, f"exploratory: {'edited' if len(of_claim) > len(same) else 'registered'} after {policies}", planned
    )
