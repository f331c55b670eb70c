"""The registration of a study's claims, at the start of a run."""

from pathlib import Path

from prefdelta.core.paper_claims import Claims
from prefdelta.records.registration import PlannedNumber, Registration
from prefdelta.reporting.claims.verdicts import read_claims
from prefdelta.reporting.worlds.assumptions import default_assumptions
from prefdelta.reporting.worlds.planted import CANNOT_PLANT
from prefdelta.reporting.worlds.power import smallest_effects
from prefdelta.store import registrations
from prefdelta.study.shape import shape_of
from prefdelta.study.study import Study
from prefdelta.study.texts import REPORT_CLAIMS
from prefdelta.system.log import say


def register_claims(study: Study) -> None:
    """Write down what the study's claims test, and what it could see, if the record does not hold it yet.

    Raises StudyError if the file of claims cannot be read.
    """
    claims = read_claims(Path(REPORT_CLAIMS))
    digests = {claim.id: claim.digest() for claim in claims.claims}
    registrations.register(Path(study.record), digests, lambda: _planned(study, claims))


def _planned(study: Study, claims: Claims) -> Registration:
    shape = shape_of(study)
    assumptions = default_assumptions(shape)
    try:
        effects = smallest_effects(claims, shape, assumptions)
    except CANNOT_PLANT as error:
        say(f"warning: what this study could see is not known: {type(error).__name__}: {error}")
        effects = {}
    planned = {
        claim: [PlannedNumber(line.title, line.unit, line.n, line.named, line.effect) for line in lines]
        for claim, lines in effects.items()
    }
    return Registration({}, 0, planned, {name: value for name, value, _, _ in assumptions.lines()})
