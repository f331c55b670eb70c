"""Power before cost: what a study could see if it ran, for each claim."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prefdelta.reporting.claims.verdicts import read_claims
from prefdelta.reporting.worlds.assumptions import Assumptions, default_assumptions
from prefdelta.reporting.worlds.power import SmallestEffect, smallest_effects
from prefdelta.study.shape import shape_of
from prefdelta.study.study import Study
from prefdelta.study.texts import REPORT_CLAIMS


@dataclass(frozen=True, slots=True)
class Power:
    """The smallest true effects that the study would see, and what that takes for granted."""

    effects: Mapping[str, list[SmallestEffect]]  # by claim; no lines: the study lacks the arms
    assumptions: Assumptions


def power_of(study: Study) -> Power:
    """The power of a study as its config has it. What its results may have measured is not read: that takes longer."""
    shape = shape_of(study)
    assumptions = default_assumptions(shape)
    return Power(smallest_effects(read_claims(Path(REPORT_CLAIMS)), shape, assumptions), assumptions)
