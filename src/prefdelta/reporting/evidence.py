"""What the numbers of a study rest on: its arms, answers, pairs and grades, from tables or planted (`worlds`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from prefdelta.core.arms import Arm, Pairing
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.arms import selection_of
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores


@dataclass(frozen=True, slots=True)
class BenchmarkLabel:
    title: str
    note: str  # "maths, easy"
    in_domain: bool

    @classmethod
    def of(cls, title: str, domain: str, difficulty: str | None, in_domain: bool) -> Self:
        """The label of a benchmark. difficulty: None if it has none."""
        return cls(title, ", ".join(filter(None, [domain, difficulty])), in_domain)

    @property
    def about(self) -> str:
        return f"{self.note}, {'in' if self.in_domain else 'out of'} domain"


@dataclass(frozen=True, slots=True)
class ExperimentArms:
    title: str
    figure: str  # scaling, methods, cells, filtering, rows
    arms: Sequence[Arm]
    beside: Sequence[Arm] = ()  # arms of other experiments, shown as controls at equal updates

    @property
    def several_k(self) -> bool:
        """Whether it compares selections of several sizes, so that its figure has the size as x axis."""
        return self.figure == "filtering" and len({selection_of(arm).k for arm in self.arms} - {None}) > 1


class GeneratorGaps(Protocol):
    def gap(self, pairing: Pairing) -> Estimate | None:
        """The generator delta: accuracy of chosen minus rejected, a share; None without grades."""
        ...

    def accuracy(self, name: str) -> Estimate | None:
        """The share of a generator's traces that are right; None without grades."""
        ...


class PairDeltas(Protocol):
    def eligible(self, pairing: Pairing) -> int:
        """How many pairs of a pairing may be trained on: the pairs of the selection `all`."""
        ...

    def by_prompt(self, pairing: Pairing, dimension: str) -> Mapping[str, float]:
        """Sample deltas of the pool's pairs, by prompt; empty without tables."""
        ...

    def lengths_by_prompt(self, pairing: Pairing) -> Mapping[str, float]:
        """Length of chosen minus rejected traces of the pool's pairs, by prompt, in the pairing's unit."""
        ...


class AnsweredBenchmarks(Protocol):
    """The answers of arms to benchmarks, and what the benchmarks are."""

    @property
    def benchmarks(self) -> Mapping[str, BenchmarkLabel]: ...

    @property
    def groups(self) -> Mapping[str, BenchmarkGroup]: ...

    @property
    def scores(self) -> Scores: ...


class Evidence(AnsweredBenchmarks, Protocol):
    """A study's results, as claims and figures read them."""

    @property
    def experiments(self) -> Mapping[str, ExperimentArms]: ...

    @property
    def grades(self) -> GeneratorGaps: ...

    @property
    def pairings(self) -> PairDeltas: ...

    def is_confounded(self, pairing: Pairing) -> bool:
        """Whether the sides of a pairing may also differ in their prompt and sampling."""
        ...


def title_of(evidence: AnsweredBenchmarks, evaluation: Evaluation) -> str:
    """The benchmark's title, with the group's if several primary (or several secondary) groups have it."""
    title, group = evidence.benchmarks[evaluation.benchmark].title, evidence.groups[evaluation.group]
    alike = [
        other
        for other in evidence.groups.values()
        if other.primary is group.primary and evaluation.benchmark in other.benchmarks
    ]
    return f"{title}, {group.title}" if len(alike) > 1 else title
