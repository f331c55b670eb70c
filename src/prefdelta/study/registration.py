"""The registration of a study's claims, at the start of a run."""

from pathlib import Path

from prefdelta.records.registration import Registration
from prefdelta.reporting.claims.verdicts import read_claims
from prefdelta.store import registrations
from prefdelta.study.texts import REPORT_CLAIMS


def register_claims(record: Path) -> None:
    """Write down what the study's claims test, if the record does not hold it yet.

    Raises StudyError if the file of claims cannot be read.
    """
    claims = read_claims(Path(REPORT_CLAIMS))
    digests = {claim.id: claim.digest() for claim in claims.claims}
    registrations.register(record, digests, lambda: Registration(digests, 0))
