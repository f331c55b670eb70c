"""All that the page shows, before it is put into sentences, tables and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prefdelta.core.arms import Arm, Pairing
from prefdelta.core.pairs.overlap import DimensionOverlap
from prefdelta.reporting.arms import selection_of
from prefdelta.reporting.calibration import Calibration
from prefdelta.reporting.manifests import FinishedJob
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.agreement import AgreementLine
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.reporting.numbers.generators import Grades

CONFOUNDED = "traces from a data set, so another prompt and sampling"  # what stands beside such a generator


@dataclass(frozen=True, slots=True)
class BenchmarkLabel:
    title: str
    note: str  # "maths, easy"
    in_domain: bool

    @property
    def about(self) -> str:
        return f"{self.note}, {'in' if self.in_domain else 'out of'} domain"


@dataclass(frozen=True, slots=True)
class ExperimentArms:
    title: str
    figure: str  # scaling, methods, cells, filtering, rows
    arms: Sequence[Arm]
    beside: Sequence[Arm] = ()  # of other experiments: they should have got as many updates, so they are shown too

    @property
    def several_k(self) -> bool:
        """Whether it compares selections of several sizes, which are drawn against their size."""
        return self.figure == "filtering" and len({selection_of(arm).k for arm in self.arms} - {None}) > 1


@dataclass(frozen=True, slots=True)
class Overlaps:
    pairing: Pairing
    ks: Sequence[int]
    overlaps: Sequence[DimensionOverlap]


@dataclass(frozen=True, slots=True)
class Content:
    """What the inputs say and the settings ask for."""

    study: str
    title: str
    about: str
    colour: str
    resamples: int
    seed: int
    settings: Mapping[str, Any]  # of the report, to be printed
    dimensions: Sequence[str]  # and composites, in order
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
    agreements: Sequence[AgreementLine]  # of two ways of asking the judge

    def all_arms(self) -> list[Arm]:
        """Every arm that has scores, those of the experiments first."""
        planned = [arm for experiment in self.experiments.values() for arm in experiment.arms]
        return list(dict.fromkeys([*planned, *self.scores.arms()]))

    def is_confounded(self, pairing: Pairing) -> bool:
        """Whether the sides of a pairing differ in how they were asked, too."""
        return not self.confounded.isdisjoint(pairing.generators)

    def with_controls(self, experiment: ExperimentArms) -> ExperimentArms:
        """An experiment with what its figure shows beside its own arms.

        Selections of several sizes have the study's controls of the same sizes there, whichever experiment has them.
        """
        if not experiment.several_k:
            return replace(experiment, arms=list(dict.fromkeys([*experiment.beside, *experiment.arms])))
        ks = {selection_of(arm).k for arm in experiment.arms} | {None}
        trained = {(arm.policy, arm.pairing, arm.recipe) for arm in experiment.arms}
        controls = [
            arm
            for arm in self.all_arms()
            if selection_of(arm).CONTROL
            and selection_of(arm).k in ks
            and (arm.policy, arm.pairing, arm.recipe) in trained
        ]
        return replace(experiment, arms=list(dict.fromkeys([*experiment.arms, *controls])))

    def title_of(self, evaluation: Evaluation) -> str:
        """The benchmark's title, and the group's where several of the groups shown alike have it."""
        title, group = self.benchmarks[evaluation.benchmark].title, self.groups[evaluation.group]
        alike = [
            other
            for other in self.groups.values()
            if other.primary is group.primary and evaluation.benchmark in other.benchmarks
        ]
        return f"{title}, {group.title}" if len(alike) > 1 else title
