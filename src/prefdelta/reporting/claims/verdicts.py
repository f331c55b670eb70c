"""The paper's claims against what this study measured: the numbers of each test, and a verdict by a stated rule."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from prefdelta.core.arms import Arm
from prefdelta.core.errors import StudyError
from prefdelta.core.paper_claims import Claim, Claims, ClaimTest
from prefdelta.core.settings import mistakes
from prefdelta.core.statistics import holm, minimum_detectable, p_above, p_below
from prefdelta.reporting.arms import selection_of
from prefdelta.reporting.claims.claim_tests import LEAVES_GRID, NO_MATCH, ClaimNumber, measure, unit
from prefdelta.reporting.contrasts import common_part, shared_parts
from prefdelta.reporting.evidence import Evidence

LEVEL = 0.025  # of a one-sided test: that of a 95% interval
# Of all numbers together, on the other side: with it, a study in which nothing happens decides any claim in about 5%.
LEVEL_AGAINST = 0.0125
REMEDIES = {
    LEAVES_GRID: "answers of the untrained policy at cooler temperatures (evaluate.groups.<group>.base_temperatures)",
    NO_MATCH: "the entropies of all answers that are held against a sharpened base",
}
REPRODUCED, CONTRADICTED, CONFOUNDED = "reproduced", "contradicted", "confounded"
UNDERPOWERED, NOT_SEEN, PARTLY_RUN, NOT_RUN = "underpowered", "not seen", "partly run", "not run"
Outcome = Literal["holds", "fails", "open"]


@dataclass(frozen=True, slots=True)
class NumberResult:
    """One number of one test."""

    question: str
    unit: str
    number: ClaimNumber
    effect: float  # how far beyond 0 the number lies if the claim is true in a size that matters
    detectable: float | None  # the smallest distance from 0 that 80% of such studies see; None: nothing shows it
    outcome: Outcome  # on its own if it holds; if it fails, corrected for all numbers of all claims

    @property
    def visible(self) -> bool:
        """Whether the study can see an effect of the named size."""
        return self.detectable is not None and self.detectable <= self.effect

    @property
    def by_matching(self) -> bool:
        """Whether arms on matched pairs are in it: it says as much as these are like the top set."""
        return any(isinstance(arm, Arm) and selection_of(arm).kind == "matched" for arm in self.number.arms)


@dataclass(frozen=True, slots=True)
class ConfoundResult:
    """Another cause, and whether the study's controls rule it out."""

    cause: str
    numbers: Sequence[NumberResult]
    has_control: bool  # whether the claim names a test that takes the cause apart
    lacks_arms: bool  # whether the study lacks the arms of a control

    @property
    def ruled_out(self) -> bool:
        complete = self.has_control and not self.lacks_arms
        return complete and all(number.outcome == "holds" for number in self.numbers)


@dataclass(frozen=True, slots=True)
class ClaimResult:
    claim: Claim
    numbers: Sequence[NumberResult]  # of its tests
    confounds: Sequence[ConfoundResult]
    missing: Sequence[str]  # questions of tests and controls for which the study lacks arms

    @property
    def all_numbers(self) -> list[NumberResult]:
        """Those of its tests, then those of its controls."""
        return [*self.numbers, *(number for confound in self.confounds for number in confound.numbers)]

    @property
    def common(self) -> str:
        """What all its numbers have in common, which their labels do not say."""
        return common_part([number.number.contrast for number in self.all_numbers])

    @property
    def word(self) -> str:
        """The verdict, without its causes."""
        if not self.numbers:
            return NOT_RUN
        if self.missing:
            return PARTLY_RUN
        if any(number.outcome == "fails" for number in self.numbers):
            return CONTRADICTED
        if all(number.outcome == "holds" for number in self.numbers):
            return CONFOUNDED if self.causes else REPRODUCED
        unseen = [number for number in self.numbers if number.outcome != "holds"]
        return NOT_SEEN if all(number.visible for number in unseen) else UNDERPOWERED

    @property
    def verdict(self) -> str:
        """The verdict, with the causes from which the study cannot tell the claim apart."""
        return f"{CONFOUNDED} with {_listed(self.causes)}" if self.word == CONFOUNDED else self.word

    @property
    def causes(self) -> list[str]:
        """Other causes that no control rules out."""
        return [confound.cause for confound in self.confounds if not confound.ruled_out]

    @property
    def deciding(self) -> NumberResult | None:
        """The number that is furthest from holding: the one to look at first."""
        rank = {"fails": 0, "open": 1, "holds": 2}
        return min(self.all_numbers, key=lambda number: (rank[number.outcome], -_p(number.number)), default=None)

    @property
    def needs(self) -> str:
        """What would have to be run to decide the claim; empty if it is decided."""
        needed = []
        if self.missing:
            needed.append(f"arms for: {'; '.join(self.missing)}")
        if self.word == UNDERPOWERED:
            unseen = [number for number in self.numbers if number.outcome != "holds"]
            needed += _remedies(unseen) or [_more_data(unseen)]
        if self.word == CONFOUNDED:
            open_causes = [confound for confound in self.confounds if not confound.ruled_out]
            uncontrolled = [confound.cause for confound in open_causes if not confound.has_control]
            remedies = _remedies([number for confound in open_causes for number in confound.numbers])
            failed = [one.cause for one in open_causes if one.has_control and not _remedies(one.numbers)]
            if uncontrolled:
                needed.append(f"arms that take {_listed(uncontrolled)} apart from it; this project has none yet")
            needed += remedies
            if failed:
                needed.append(f"nothing more, unless it is for power: the control for {_listed(failed)} has run")
        return "; ".join(needed)


@dataclass(frozen=True, slots=True)
class PaperClaims:
    """The page's content on a paper's claims."""

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
    """All claims in order, with verdicts by this rule. note: printed above the verdicts.

    A number *holds* if its 95% interval lies on the claimed side of 0, and *fails* if it lies on the other side with a
    p of at most 0.0125 after Holm's correction for all numbers of all claims. It does neither if nothing shows how much
    runs vary, or if an arm is held against a sharpened base that is less sharp than the arm, or not known. A claim is

    - not run: the study has arms for none of its tests;
    - partly run: it lacks arms for a test, or for the control of a confound;
    - contradicted: a number of its tests fails;
    - reproduced: all numbers of its tests hold (an intersection-union test, Berger 1982: each at its own level), and
      every other cause is ruled out by its controls, of which all hold;
    - confounded with ...: all numbers hold, but a cause has no control here, or a control of it does not hold;
    - underpowered: the study could not see a number that does not hold at the size that the claim names;
    - not seen: it could have seen them, with a power of 80%, and did not.
    """
    results = [_measured(claim, evidence) for claim in claims.claims]
    failing = _failing([number for result in results for number in result.numbers])
    return PaperClaims(claims.source, note, [_saying_once(_with_failures(result, failing)) for result in results])


def _measured(claim: Claim, evidence: Evidence) -> ClaimResult:
    missing, numbers, confounds = list[str](), list[NumberResult](), []
    for asked in claim.tests:
        found = list(_numbers(asked, evidence))
        numbers += found
        if not found:
            missing.append(asked.question)
    for confound in claim.confounds:
        by_control = [list(_numbers(control, evidence)) for control in confound.controls]
        lacking = [asked.question for asked, found in zip(confound.controls, by_control, strict=True) if not found]
        missing += lacking
        controls = [number for found in by_control for number in found]
        confounds.append(ConfoundResult(confound.cause, controls, bool(by_control), bool(lacking)))
    return ClaimResult(claim, numbers, confounds, missing)


def _numbers(asked: ClaimTest, evidence: Evidence) -> Iterator[NumberResult]:
    for number in measure(asked.test, evidence):
        estimate = number.estimate
        # run_df 0: runs are involved, and nothing shows how much they vary
        known = estimate.run_df != 0 and not number.obstacle
        holds = known and _p(number) <= LEVEL
        yield NumberResult(
            question=asked.question,
            unit=unit(asked.test),
            number=number,
            effect=asked.effect,
            detectable=minimum_detectable(estimate) if known else None,
            outcome="holds" if holds else "open",
        )


def _p(number: ClaimNumber) -> float:
    """One-sided p of the claimed side."""
    return p_above(number.estimate, 0.0) if number.above else p_below(number.estimate, 0.0)


def _failing(results: Sequence[NumberResult]) -> set[int]:
    """The results, by id, whose numbers lie on the other side of 0 after Holm's correction."""
    tested = [result for result in results if result.detectable is not None]
    against = [
        p_below(result.number.estimate, 0.0) if result.number.above else p_above(result.number.estimate, 0.0)
        for result in tested
    ]
    return {id(result) for result, p in zip(tested, holm(against), strict=True) if p <= LEVEL_AGAINST}


def _saying_once(result: ClaimResult) -> ClaimResult:
    """The result, whose numbers have labels without what is said once."""
    told = shared_parts([number.number.contrast for number in result.all_numbers])

    def short(numbers: Sequence[NumberResult]) -> list[NumberResult]:
        return [replace(number, number=replace(number.number, told=told)) for number in numbers]

    confounds = [replace(confound, numbers=short(confound.numbers)) for confound in result.confounds]
    return replace(result, numbers=short(result.numbers), confounds=confounds)


def _with_failures(result: ClaimResult, failing: set[int]) -> ClaimResult:
    numbers = [replace(number, outcome="fails") if id(number) in failing else number for number in result.numbers]
    return replace(result, numbers=numbers)


def _remedies(numbers: Sequence[NumberResult]) -> list[str]:
    """What takes away the obstacles of some numbers."""
    return list(dict.fromkeys(REMEDIES[number.number.obstacle] for number in numbers if number.number.obstacle))


def _more_data(unseen: Sequence[NumberResult]) -> str:
    """How much more data would show the numbers at the sizes that are named."""
    if any(number.detectable is None for number in unseen):
        return "a second training seed: nothing shows how much runs vary"
    times = max((number.detectable / number.effect) ** 2 for number in unseen if number.detectable is not None)
    return f"about {math.ceil(10 * times) / 10:g} times the training seeds and items"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
