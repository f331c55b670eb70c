"""The paper's claims against what this study measured: one number per test, and a verdict by a stated rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.paper_claims import Claim, Claims
from prefdelta.core.settings import mistakes
from prefdelta.reporting.claims.claim_tests import ClaimNumber, measure, rule
from prefdelta.reporting.evidence import Evidence

SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "cannot tell"


@dataclass(frozen=True, slots=True)
class NumberResult:
    """One number of one test."""

    question: str
    rule: str  # the condition that supports the claim, with its unit
    number: ClaimNumber
    verdict: str


@dataclass(frozen=True, slots=True)
class ClaimResult:
    claim: Claim
    numbers: Sequence[NumberResult]

    @property
    def verdict(self) -> str:
        """Supported if every number supports it, contradicted if one contradicts it."""
        verdicts = {number.verdict for number in self.numbers}
        if CONTRADICTED in verdicts:
            return CONTRADICTED
        return SUPPORTED if verdicts == {SUPPORTED} else OPEN


@dataclass(frozen=True, slots=True)
class PaperClaims:
    """The page's evidence on a paper's claims."""

    source: str
    note: str
    results: Sequence[ClaimResult]


def read_claims(path: Path) -> Claims:
    """The claims of a file. Raises StudyError if it is missing or wrong."""
    import yaml
    from pydantic import ValidationError

    try:
        return Claims.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML: {error}. Write the claims, or restore the file.") from None
    except ValidationError as error:
        raise StudyError(f"{path}: {mistakes(error)}. Mend the file.") from None


def judge_claims(claims: Claims, evidence: Evidence, note: str) -> PaperClaims:
    """The claims that this study's experiments can test, in order. note: printed above the verdicts."""
    results = []
    for claim in claims.claims:
        numbers = [
            NumberResult(asked.question, rule(asked.test), number, verdict(number))
            for asked in claim.tests
            for number in measure(asked.test, evidence)
        ]
        if numbers:
            results.append(ClaimResult(claim, numbers))
    return PaperClaims(claims.source, note, results)


def verdict(number: ClaimNumber) -> str:
    """Supported or contradicted only if the interval and every training seed alone agree; otherwise open."""
    low, high = number.estimate.low, number.estimate.high
    if low is None or high is None:
        return OPEN
    seeds = list(number.by_seed.values())
    if number.direction == "down":
        low, high, seeds = -high, -low, [-value for value in seeds]
    bound = -number.margin
    if min([low, *seeds]) > bound:
        return SUPPORTED
    return CONTRADICTED if max([high, *seeds]) < bound else OPEN
