"""A planted study: evidence of a study's own shape, in a world whose truth is known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prefdelta.core.arms import Pairing, undrawn
from prefdelta.core.errors import StudyError
from prefdelta.core.ids import seed_of
from prefdelta.core.statistics import Estimate, Variance, t_interval
from prefdelta.reporting.evidence import BenchmarkLabel, ExperimentArms
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.worlds.answers import plant_answers
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.features import Features, features
from prefdelta.reporting.worlds.pairs import PlantedPairs, plant_pairs
from prefdelta.reporting.worlds.shape import StudyShape
from prefdelta.reporting.worlds.worlds import Gains, World

# What planting raises for a study that is too small or too odd: its run and its report go on without planted numbers.
CANNOT_PLANT = (ArithmeticError, LookupError, StudyError, ValueError)
RESAMPLES = 200  # of the bootstrap: fewer than the report's, because its noise matters less than that of the study
DRAWS = 3  # draws of pairs on which the selections run; selecting is most of the time that planting takes


@dataclass(frozen=True, slots=True)
class PlantedGrades:
    """The generators' accuracies, as the training prompts would show them."""

    accuracies: Mapping[str, Estimate]
    gaps: Mapping[Pairing, Estimate]

    def accuracy(self, name: str) -> Estimate | None:
        """The share of a generator's traces that are right; None for an unknown one."""
        return self.accuracies.get(undrawn(name))

    def gap(self, pairing: Pairing) -> Estimate | None:
        """The generator delta: accuracy of chosen minus rejected, a share; None for an unknown pairing."""
        return self.gaps.get(pairing.undrawn)


@dataclass(frozen=True, slots=True)
class PlantedStudy:
    """An `Evidence`."""

    shape: StudyShape
    scores: Scores
    grades: PlantedGrades
    pairings: PlantedPairs

    @property
    def experiments(self) -> Mapping[str, ExperimentArms]:
        return self.shape.experiments

    @property
    def benchmarks(self) -> Mapping[str, BenchmarkLabel]:
        return self.shape.benchmarks

    @property
    def groups(self) -> Mapping[str, BenchmarkGroup]:
        return self.shape.groups

    def is_confounded(self, pairing: Pairing) -> bool:
        """Whether the sides of a pairing may also differ in their prompt and sampling."""
        return self.shape.is_confounded(pairing)


class Planter:
    """Plants studies of one shape in any world. The features of arms are kept: worlds share the draws of pairs."""

    def __init__(self, shape: StudyShape, usual: Assumptions) -> None:
        self._shape, self._usual = shape, usual
        self._features: dict[tuple[object, ...], Features] = {}

    def plant(self, world: World, number: int) -> PlantedStudy:
        """Study of this number in a world: the same for the same shape, assumptions and number.

        Its answers and its pairs' deltas are its own. What its arms select is that of one of a few draws of pairs.
        """
        shape, assumptions = self._shape, world.assumptions(self._usual)
        inside, outside = self._gains(world, assumptions, number % DRAWS)
        answers = plant_answers(shape, assumptions, {True: inside, False: outside}, world.name, number)
        scores = Scores(answers, shape.groups, Bootstrap(RESAMPLES, seed_of("planted", shape.seed, number)))
        pairs = plant_pairs(shape, assumptions, world.name, "study", number)
        return PlantedStudy(shape, scores, _grades(shape, assumptions, world.name, number), pairs)

    def prepare(self, worlds: Iterable[World], studies: int) -> None:
        """Draw the pairs that so many studies of these worlds need, to be used by all copies of this planter."""
        for world in worlds:
            for draw in range(min(studies, DRAWS) if world.gains else 0):
                self._features_of(world.assumptions(self._usual), draw)

    def _gains(self, world: World, assumptions: Assumptions, draw: int) -> Gains:
        import numpy as np

        if world.gains is None:
            return np.zeros(len(self._shape.arms)), np.zeros(len(self._shape.arms))
        return world.gains(self._features_of(assumptions, draw), assumptions)

    def _features_of(self, assumptions: Assumptions, draw: int) -> Features:
        law = (
            *sorted(assumptions.faithfulness.items()),
            assumptions.length_correlation,
            assumptions.length_rise,
            assumptions.judged_rise,
        )
        if (law, draw) not in self._features:
            pairs = plant_pairs(self._shape, assumptions, "selected", draw)
            self._features[law, draw] = features(self._shape, assumptions, pairs)
        return self._features[law, draw]


def _grades(shape: StudyShape, assumptions: Assumptions, *what: object) -> PlantedGrades:
    """Generator deltas as measured: independent answers of both sides on every training prompt."""
    import numpy as np

    generator = np.random.default_rng(seed_of("grades", shape.seed, *what))
    measured, variances = {}, {}
    for name, accuracy in assumptions.generator_accuracy.items():
        variances[name] = accuracy * (1 - accuracy) / shape.prompts
        measured[name] = accuracy + float(generator.standard_normal()) * variances[name] ** 0.5
    gaps = {}
    for pairing in shape.pairings:
        chosen, rejected = pairing.chosen, pairing.rejected
        variance = variances[chosen] + variances[rejected]
        value = measured[chosen] - measured[rejected]
        if chosen == rejected:
            value = float(generator.standard_normal()) * variance**0.5
        gaps[pairing] = t_interval(value, shape.prompts, [Variance(variance, shape.prompts - 1)])
    accuracies = {
        name: t_interval(value, shape.prompts, [Variance(variances[name], shape.prompts - 1)])
        for name, value in measured.items()
    }
    return PlantedGrades(accuracies, gaps)
