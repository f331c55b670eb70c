"""The paper's claims against what this study measured: one number per test, and a verdict by a stated rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.paper_claims import Claim, Claims
from prefdelta.core.settings import mistakes
from prefdelta.reporting.content import Content
from prefdelta.reporting.numbers.claim_tests import Measured, measure, words

SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "cannot tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """One number of one test."""

    question: str
    rule: str  # what it takes, with its unit
    measured: Measured
    verdict: str


@dataclass(frozen=True, slots=True)
class Judged:
    claim: Claim
    findings: Sequence[Finding]

    @property
    def verdict(self) -> str:
        """Supported if every number supports it, contradicted if one contradicts it."""
        found = {finding.verdict for finding in self.findings}
        if CONTRADICTED in found:
            return CONTRADICTED
        return SUPPORTED if found == {SUPPORTED} else OPEN


@dataclass(frozen=True, slots=True)
class PaperClaims:
    """What the page says of a paper's claims."""

    source: str
    note: str
    judged: Sequence[Judged]


def read_claims(path: Path) -> Claims:
    """The claims of a file. Raises StudyError if it is missing or wrong."""
    import yaml
    from pydantic import ValidationError

    try:
        return Claims.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML: {error}. Write the claims, or restore the file.") from None
    except ValidationError as error:
        told = mistakes(error)
        raise StudyError(f"{path}: {told}. Mend the file.") from None


def judge_claims(claims: Claims, content: Content, note: str) -> PaperClaims:
    """The claims that this study's experiments can test, in order. note: printed above the verdicts."""
    judged = []
    for claim in claims.claims:
        findings = [
            Finding(one.question, words(one.test), found, verdict(found))
            for one in claim.tests
            for found in measure(one.test, content)
        ]
        if findings:
            judged.append(Judged(claim, findings))
    return PaperClaims(claims.source, note, judged)


def verdict(found: Measured) -> str:
    """By the interval, and by every training seed alone: what another seed turns round decides nothing."""
    low, high = found.estimate.low, found.estimate.high
    if low is None or high is None:
        return OPEN
    seeds = list(found.by_seed.values())
    if found.direction == "down":
        low, high, seeds = -high, -low, [-value for value in seeds]
    bound = -found.margin
    if min([low, *seeds]) > bound:
        return SUPPORTED
    return CONTRADICTED if max([high, *seeds]) < bound else OPEN
