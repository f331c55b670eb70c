"""The shape of a study: its arms, benchmarks, pairings and numbers, before it ran or after."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.pairs.selections import CommonSet
from prefdelta.core.settings import Settings
from prefdelta.reporting.arms import selection_of
from prefdelta.reporting.evidence import BenchmarkLabel, ExperimentArms
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation


class PlannedRecipe(Settings):
    """What a recipe does with the pairs of a selection."""

    contrasts: bool
    """Whether it trains on both sides of a pair."""

    epochs: float | None
    """Passes over the selection. None: its budget is no number of epochs."""

    pairs: float | None
    """Pairs seen. None: its budget is no number of pairs."""

    def seen(self, selected: int) -> float:
        """How many pairs training sees, counting each pass. selected: the selection's size."""
        if self.pairs is not None:
            return self.pairs
        return selected * (self.epochs or 1.0)


class StudyPlan(Settings):
    """What planted studies need of the config and no result shows."""

    generators: dict[str, int]
    """Generator -> traces per prompt, weak to strong."""

    recipes: dict[str, PlannedRecipe]
    """Name -> recipe of an arm."""

    composites: dict[str, list[str]]
    """Name of a composite dimension -> the dimensions of which it is the mean."""

    sets: dict[str, CommonSet]
    """Name -> pairings that share their prompts."""

    cell_pairs: int | None
    """Largest number of prompts of the correctness cells. None: all."""

    tie_seed: int
    """Seed of the order of pairs with equal delta."""

    def common_sets(self) -> dict[str, tuple[list[Pairing], int | None]]:
        """Name of a common set -> its pairings, and most prompts."""
        return {name: (list(map(Pairing.parse, common.pairings)), common.pairs) for name, common in self.sets.items()}


@dataclass(frozen=True, slots=True)
class PlannedGenerator:
    """Who writes traces."""

    samples: int  # traces per prompt
    shipped: bool  # a data set ships its traces
    accuracy: float | None  # share of right answers that the config aims at; None: it says nothing


@dataclass(frozen=True)
class StudyShape:
    """All that decides how much a study can see, but for the truth."""

    study: str
    seed: int
    experiments: Mapping[str, ExperimentArms]
    benchmarks: Mapping[str, BenchmarkLabel]
    groups: Mapping[str, BenchmarkGroup]
    items: Mapping[str, int]  # problems, by benchmark
    samples: Mapping[Evaluation, int]  # answers of an arm per problem
    base_times: Mapping[str, int]  # how many times as often an untrained policy answers, by group
    temperatures: Mapping[str, Sequence[float]]  # further ones at which an untrained policy answers, by group
    evaluated: Mapping[str, Sequence[Arm]]  # trained arms, by group
    generators: Mapping[str, PlannedGenerator]  # weak to strong
    recipes: Mapping[str, PlannedRecipe]
    dimensions: Sequence[str]
    composites: Mapping[str, Sequence[str]]  # the mean of these dimensions, by name
    prompts: int  # training prompts
    tie_seed: int
    sets: Mapping[str, tuple[Sequence[Pairing], int | None]]  # common set -> its pairings, and most prompts
    cell_pairs: int | None  # most prompts of a correctness cell
    counted: frozenset[str]  # sources (`train`, benchmarks) whose problems were counted, not declared

    @cached_property
    def arms(self) -> list[Arm]:
        """All trained arms, each once."""
        return list(dict.fromkeys(arm for experiment in self.experiments.values() for arm in experiment.arms))

    @cached_property
    def pairings(self) -> list[Pairing]:
        """The pairings of the arms, and those of the common sets, in draw 0: other draws have pairs of their kind."""
        of_sets = (pairing for pairings, _ in self.sets.values() for pairing in pairings)
        return list(dict.fromkeys([*(arm.pairing.undrawn for arm in self.arms), *of_sets]))

    @cached_property
    def pairings_of_cells(self) -> set[Pairing]:
        """The pairings from which arms take correctness cells."""
        return {arm.pairing.undrawn for arm in self.arms if selection_of(arm).cell}

    def bases(self, policy: str) -> list[Base]:
        """An untrained policy at its own temperature, then at each further one of any group."""
        further = dict.fromkeys(degrees for of_group in self.temperatures.values() for degrees in of_group)
        return [Base(policy), *(Base(policy, degrees) for degrees in further)]

    def bases_of(self, arms: Iterable[Arm], group: str) -> list[Base]:
        """The untrained policies of some arms at each temperature of a group."""
        policies, further = dict.fromkeys(arm.policy for arm in arms), self.temperatures[group]
        return [Base(policy, degrees) for policy in policies for degrees in (None, *further)]

    def is_confounded(self, pairing: Pairing) -> bool:
        """Whether the sides of a pairing may also differ in their prompt and sampling."""
        return any(self.generators[name].shipped for name in pairing.undrawn.generators)
