"""All that the page shows, before it is put into sentences, tables and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.pairs.overlap import DimensionOverlap
from prefdelta.reporting.arms import PARTS, Repeats, selection_of, short_labels
from prefdelta.reporting.calibration import Calibration
from prefdelta.reporting.evidence import BenchmarkLabel, ExperimentArms
from prefdelta.reporting.graders import GraderAudit
from prefdelta.reporting.judging.people import PeopleLine
from prefdelta.reporting.judging.reliability import Reliability
from prefdelta.reporting.manifests import FinishedJob
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Scores
from prefdelta.reporting.numbers.agreement import AgreementLine
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.reporting.numbers.generators import Grades
from prefdelta.reporting.numbers.ties import TieLine

CONFOUNDED = "traces from a data set, so another prompt and sampling"  # the remark beside such a generator
MOSTLY_DRAWN = "†"  # the mark of arms whose pairs are drawn among ties by more than `filter.max_drawn_share`


@dataclass(frozen=True, slots=True)
class Overlaps:
    pairing: Pairing
    ks: Sequence[int]
    overlaps: Sequence[DimensionOverlap]

    def drawn(self, k: int) -> list[float]:
        """The share (0 to 1) of each top-k set that is drawn among ties, smallest first."""
        found: dict[str, float] = {}
        for overlap in self.overlaps:
            if overlap.k == k:
                found |= dict(zip((overlap.first, overlap.second), overlap.drawn, strict=True))
        return sorted(found.values())


@dataclass(frozen=True, slots=True)
class Content:
    """The values from the inputs and the settings."""

    study: str
    title: str
    about: str
    colour: str
    resamples: int
    seed: int
    settings: Mapping[str, Any]  # the report's settings, to be printed
    dimensions: Sequence[str]  # with composites, in order
    benchmarks: Mapping[str, BenchmarkLabel]
    groups: Mapping[str, BenchmarkGroup]
    experiments: Mapping[str, ExperimentArms]
    scores: Scores
    grades: Grades
    pairings: Pairings
    overlaps: Overlaps | None
    jobs: Sequence[FinishedJob]
    cpu_budget: Mapping[str, float]
    calibration: Calibration
    confounded: frozenset[str]  # generators whose traces a data set ships
    agreements: Sequence[AgreementLine]  # agreement of two ways of asking the judge
    reliability: Reliability  # of deltas and of selections by delta
    people: Sequence[PeopleLine]  # the judge held against people
    ties: Sequence[TieLine]  # of the selections by delta
    max_drawn_share: float  # `filter.max_drawn_share`
    families: Mapping[str, str] = field(default_factory=dict)  # generator -> its family; without one: the same for all
    graders: GraderAudit | None = None  # other graders' verdicts on the same answers; None: no other was asked

    def all_arms(self) -> list[Arm]:
        """Every arm that has scores, those of the experiments first."""
        planned = [arm for experiment in self.experiments.values() for arm in experiment.arms]
        return list(dict.fromkeys([*planned, *self.scores.arms()]))

    def is_confounded(self, pairing: Pairing) -> bool:
        """Whether the sides of a pairing may also differ in their prompt and sampling."""
        return not self.confounded.isdisjoint(pairing.generators)

    def is_mostly_drawn(self, arm: Arm | Base) -> bool:
        """Whether a larger share of an arm's pairs than allowed was drawn among pairs of equal delta."""
        return isinstance(arm, Arm) and any(
            (line.pairing, line.selection) == (arm.pairing, arm.selection)
            and line.counts.drawn_share > self.max_drawn_share
            for line in self.ties
        )

    def mark(self, *arms: Arm | Base) -> str:
        """The mark behind the name of one or several arms: MOSTLY_DRAWN if one of them is, or else nothing."""
        return MOSTLY_DRAWN if any(map(self.is_mostly_drawn, arms)) else ""

    def labels(self, members: Sequence[Repeats], parts: Sequence[str] = PARTS) -> list[str]:
        """The short label of each family, with its mark."""
        labels = short_labels(members, parts)
        return [f"{label}{self.mark(*repeats)}" for label, repeats in zip(labels, members, strict=True)]

    def with_controls(self, experiment: ExperimentArms) -> ExperimentArms:
        """An experiment with the controls that its figure shows beside its own arms.

        Next to selections of several sizes, these are the controls of the same sizes from all experiments.
        """
        if not experiment.several_k:
            return replace(experiment, arms=list(dict.fromkeys([*experiment.beside, *experiment.arms])))
        ks = {selection_of(arm).k for arm in experiment.arms} | {None}
        trained = {(arm.policy, arm.pairing.undrawn, arm.recipe) for arm in experiment.arms}
        controls = [
            arm
            for arm in self.all_arms()
            if selection_of(arm).CONTROL
            and selection_of(arm).k in ks
            and (arm.policy, arm.pairing.undrawn, arm.recipe) in trained
        ]
        return replace(experiment, arms=list(dict.fromkeys([*experiment.arms, *controls])))
