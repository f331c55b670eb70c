from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.claims.claim_tests import ClaimNumber
from prefdelta.reporting.claims.verdicts import CONTRADICTED, OPEN, SUPPORTED, read_claims, verdict

CLAIMS = Path(__file__).parents[4] / "resources/claims.yaml"


@pytest.mark.parametrize(
    ("low", "high", "direction", "margin", "by_seed", "expected"),
    [
        (0.1, 2.0, "up", 0.0, {}, SUPPORTED),
        (-0.1, 2.0, "up", 0.0, {}, OPEN),
        (-2.0, -0.1, "up", 0.0, {}, CONTRADICTED),
        (-2.0, -0.1, "down", 0.0, {}, SUPPORTED),
        (0.1, 2.0, "down", 0.0, {}, CONTRADICTED),
        (-0.9, 0.4, "up", 1.0, {}, SUPPORTED),  # not below by a point
        (-1.9, 0.4, "up", 1.0, {}, OPEN),
        (-1.9, -1.1, "up", 1.0, {}, CONTRADICTED),
        (0.1, 2.0, "up", 0.0, {0: 1.0, 1: 0.5}, SUPPORTED),
        (0.1, 2.0, "up", 0.0, {0: 2.0, 1: -0.2}, OPEN),  # one seed turns it round
        (-2.0, -0.1, "down", 0.0, {0: -2.0, 1: 0.2}, OPEN),
        (-2.0, -0.1, "up", 0.0, {0: -2.0, 1: 0.2}, OPEN),
        (None, None, "up", 0.0, {}, OPEN),
    ],
)
def test_the_rule(low, high, direction, margin, by_seed, expected):
    value = None if low is None else (low + high) / 2
    assert verdict(ClaimNumber("x", Estimate(value, low, high, 9), direction, [0], by_seed, margin)) == expected


def test_the_papers_claims_are_readable():
    found = read_claims(CLAIMS)
    ids = [claim.id for claim in found.claims]
    assert len(set(ids)) == len(ids) >= 8


def test_a_mistake_in_the_claims_is_told_with_its_place(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(CLAIMS.read_text().replace("over: out_of_domain", "over: everywhere"))
    with pytest.raises(StudyError, match=r"claims\.yaml: claims\.0\.tests\.0\.test\.trend\.over.*Mend the file"):
        read_claims(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(StudyError, match="cannot be read"):
        read_claims(tmp_path / "claims.yaml")
