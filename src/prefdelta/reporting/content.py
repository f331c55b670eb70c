"""All that the page shows, before it is put into sentences, tables and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prefdelta.core.pairs.overlap import DimensionOverlap
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.reporting.arms import Arm
from prefdelta.reporting.calibration import Calibration
from prefdelta.reporting.manifests import Manifest
from prefdelta.reporting.numbers.accuracies import Cell, Group, Scores
from prefdelta.reporting.numbers.agreement import AgreementLine
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.reporting.numbers.generators import Grades

CONFOUNDED = "traces from a data set, so another prompt and sampling"  # what stands beside such a generator


@dataclass(frozen=True, slots=True)
class Benchmark:
    title: str
    note: str  # "maths, easy"
    in_domain: bool

    @property
    def about(self) -> str:
        return f"{self.note}, {'in' if self.in_domain else 'out of'} domain"


@dataclass(frozen=True, slots=True)
class Experiment:
    title: str
    figure: str  # scaling, methods, cells, filtering, rows
    arms: Sequence[Arm]
    beside: Sequence[Arm] = ()  # of other experiments: they should have got as many updates, so they are shown too

    @property
    def several_k(self) -> bool:
        """Whether it compares selections of several sizes, which are drawn against their size."""
        return self.figure == "filtering" and len({arm.k for arm in self.arms} - {None}) > 1


@dataclass(frozen=True, slots=True)
class Overlaps:
    pairing: str
    ks: Sequence[int]
    found: Sequence[DimensionOverlap]


@dataclass(frozen=True, slots=True)
class Content:
    """What the inputs say and the settings ask for."""

    study: str
    title: str
    about: str
    colour: str
    resamples: int
    seed: int
    settings: Mapping[str, Any]
    benchmarks: Mapping[str, Benchmark]
    groups: Mapping[str, Group]
    experiments: Mapping[str, Experiment]
    scores: Scores
    grades: Grades
    pairings: Pairings
    overlaps: Overlaps | None
    manifests: Sequence[Manifest]
    cpu_budget: Mapping[str, float]
    calibration: Calibration
    confounded: frozenset[str]  # generators whose traces a data set ships
    agreements: Sequence[AgreementLine]  # of two ways of asking the judge

    def all_arms(self) -> list[Arm]:
        """Every arm that has scores, those of the experiments first."""
        planned = [arm for experiment in self.experiments.values() for arm in experiment.arms]
        return list({arm.name: arm for arm in [*planned, *self.scores.arms()]}.values())

    def is_confounded(self, pairing: str) -> bool:
        """Whether the sides of a pairing differ in how they were asked, too."""
        return bool(self.confounded & set(pairing.split("~")))

    def drawn(self, experiment: Experiment) -> Experiment:
        """An experiment with what its figure shows beside its own arms.

        Selections of several sizes have the study's controls of the same sizes there, whichever experiment has them.
        """
        if not experiment.several_k:
            return replace(experiment, arms=list(dict.fromkeys([*experiment.beside, *experiment.arms])))
        ks = {arm.k for arm in experiment.arms} | {None}
        trained = {(arm.policy, arm.pairing, arm.recipe) for arm in experiment.arms}
        controls = [
            arm
            for arm in self.all_arms()
            if parse_selection(arm.selection).CONTROL
            and arm.k in ks
            and (arm.policy, arm.pairing, arm.recipe) in trained
        ]
        return replace(experiment, arms=list(dict.fromkeys([*experiment.arms, *controls])))

    def cell_title(self, cell: Cell) -> str:
        """The benchmark's title, and the group's where several of the groups shown alike have it."""
        title = self.benchmarks[cell.benchmark].title
        primary = self.groups[cell.group].primary
        alike = [one for one in self.groups.values() if one.primary is primary and cell.benchmark in one.benchmarks]
        return f"{title}, {self.groups[cell.group].title}" if len(alike) > 1 else title
