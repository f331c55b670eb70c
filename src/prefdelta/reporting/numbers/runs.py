"""How much runs vary: trainings of one family that differ in their seed, their tie order or their random draw.

Every interval of a trained arm holds this variance. It is pooled over all families of a study, because two or three
runs of one family say too little about it (and one says nothing). docs/intervals.md has the formulas and the coverage.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from prefdelta.core.arms import Arm, parse_arm
from prefdelta.core.statistics import Variance
from prefdelta.reporting.arms import families, selection_of
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.gains import ArmWeights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Run = tuple[Arm, ...]
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class MeanSquare:
    """How much the mean accuracies of repeats vary around that of their family, pooled: a squared share."""

    total: float  # the mean square
    answers: float  # the part of it that comes from the draw of answers, which the variance over items holds
    df: int  # repeats minus families
    seed_share: float  # how much of the variance between seeds it holds: the mean of 1 / seeds of a repeat

    @property
    def value(self) -> float:
        return max(0.0, self.total - self.answers)

    def times(self, factor: float) -> Variance:
        return Variance(factor * self.value, self.df, factor * self.total)

    def drawn(self, size: int, generator: "np.random.Generator") -> "NDArray[np.float64]":
        """Values that the truth may have, given the degrees of freedom: size x 1."""
        import numpy as np

        totals = self.total * self.df / generator.chisquare(self.df, size=(size, 1))
        return np.asarray(np.maximum(0.0, totals - self.answers))


@dataclass(frozen=True, slots=True)
class RunVariance:
    """The variance of runs around their family, by its two sources: seeds of training, and random draws of pairs."""

    seeds: MeanSquare | None  # arms that differ in their training seed only; None: no seed is repeated
    draws: MeanSquare | None  # means of arms that share a random draw; None: no draw is repeated

    @property
    def df(self) -> int:
        """Degrees of freedom, of seeds and draws together."""
        return sum(part.df for part in (self.seeds, self.draws) if part)

    def of(self, weights: ArmWeights) -> Variance:
        """The variance of a weighted sum of accuracies.

        Where seeds and draws are both repeated, each is counted by its own weights. Where one of them is not, arms of
        one draw count as one run, which has the variance that is known.
        """
        if self.seeds is None or self.draws is None:
            return self._known.times(_squares(run_weights(weights)))
        by_arm, by_draw = _squares(_arm_weights(weights)), _squares(run_weights(weights, only_draws=True))
        if not by_draw or self.draws.value <= self.draws.seed_share * self.seeds.value:
            return self.seeds.times(by_arm)
        of_seeds, of_draws = by_arm - self.draws.seed_share * by_draw, by_draw
        value = max(0.0, of_seeds * self.seeds.value + of_draws * self.draws.value)
        squares = [(abs(of_seeds) * self.seeds.total, self.seeds.df), (of_draws * self.draws.total, self.draws.df)]
        total = sum(square for square, _ in squares)
        uncertain = sum(square**2 / df for square, df in squares)  # Satterthwaite 1946
        return Variance(value, total**2 / uncertain if uncertain else self.seeds.df, total)

    def covariance(self, sums: Sequence[ArmWeights]) -> "NDArray[np.float64]":
        """The covariance of several weighted sums, sums x sums: (var(a + b) - var(a - b)) / 4."""
        import numpy as np

        def var(first: ArmWeights, second: ArmWeights, sign: int) -> float:
            arms = dict.fromkeys([*first, *second])
            return self.of({arm: first.get(arm, 0.0) + sign * second.get(arm, 0.0) for arm in arms}).value

        return np.array([[(var(a, b, 1) - var(a, b, -1)) / 4 for b in sums] for a in sums])

    def drawn(self, sides: Sequence[ArmWeights], size: int, generator: "np.random.Generator") -> "NDArray[np.float64]":
        """Deviations of several weighted sums by the luck of their runs: size x sides.

        The variance itself is drawn too, from what its degrees of freedom allow.
        """
        import numpy as np

        if self.seeds is None or self.draws is None:
            return _luck([run_weights(weights) for weights in sides], self._known.drawn(size, generator), generator)
        seeds = self.seeds.drawn(size, generator)
        draws = np.maximum(0.0, self.draws.drawn(size, generator) - self.draws.seed_share * seeds)
        luck_of_seeds = _luck([_arm_weights(weights) for weights in sides], seeds, generator)
        return luck_of_seeds + _luck([run_weights(weights, only_draws=True) for weights in sides], draws, generator)

    @property
    def _known(self) -> MeanSquare:
        known = self.seeds or self.draws
        assert known is not None
        return known


def runs_of(arms: Iterable[Arm]) -> list[Run]:
    """Arms by run. Arms that train on the same random draw are one run, because they share its luck."""
    by_run: dict[object, list[Arm]] = {}
    for arm in arms:
        by_run.setdefault(arm.family if _is_drawn(arm) else arm, []).append(arm)
    return [tuple(run) for run in by_run.values()]


def run_weights(weights: ArmWeights, *, only_draws: bool = False) -> dict[Run, float]:
    """The weights of a sum of accuracies, by run; untrained policies are no runs. only_draws: of random draws."""
    arms = [arm for arm in weights if isinstance(arm, Arm) and (_is_drawn(arm) or not only_draws)]
    return {run: sum(weights[arm] for arm in run) for run in runs_of(arms)}


def run_variance(matrices: Sequence[AnswerMatrix]) -> RunVariance | None:
    """The variance between runs of the mean accuracy over benchmarks, each of equal weight; None without repeats.

    In each family, runs x problems is a two-way layout: the mean square of the runs' means estimates the variance
    between runs plus that of the draw of answers, and the residual mean square, over the number of problems, the second
    (Searle, Casella and McCulloch 1992, chapter 4). Mean squares are pooled over families by their degrees of freedom.
    """
    names = set.intersection(*(set(matrix.rows) for matrix in matrices)) if matrices else set()
    arms = [arm for arm in map(parse_arm, sorted(names)) if isinstance(arm, Arm)]
    seeds = _pooled(matrices, [[(arm,) for arm in family] for family in families(arms)])
    draws = _pooled(matrices, [runs_of(family) for family in families(filter(_is_drawn, arms), merge_draws=True)])
    return RunVariance(seeds, draws) if seeds or draws else None


def _pooled(matrices: Sequence[AnswerMatrix], groups: Sequence[Sequence[Run]]) -> MeanSquare | None:
    """The mean square between the runs of each group, pooled over groups of at least two."""
    total, answers, share, df = 0.0, 0.0, 0.0, 0
    for runs in groups:
        if len(runs) < 2:
            continue
        parts = [_layout(matrix, runs) for matrix in matrices]
        if any(means is None for means, _ in parts):
            continue
        means = sum(part for part, _ in parts if part is not None) / len(parts)
        total += float(((means - means.mean()) ** 2).sum())  # type: ignore[union-attr]
        answers += (len(runs) - 1) * sum(residual for _, residual in parts) / len(parts) ** 2
        share += (len(runs) - 1) * sum(1 / len(run) for run in runs) / len(runs)
        df += len(runs) - 1
    return MeanSquare(total / df, answers / df, df, share / df) if df else None


def _layout(matrix: AnswerMatrix, runs: Sequence[Run]) -> "tuple[NDArray[np.float64] | None, float]":
    """(mean accuracy of each run, variance of such a mean from the draw of answers); (None, 0) for too few problems."""
    import numpy as np

    outcomes = np.stack([matrix.means[matrix.rows_of(run)].mean(axis=0) for run in runs])
    outcomes[:, np.isnan(outcomes).any(axis=0)] = np.nan
    outcomes = np.stack([matrix.units(row) for row in outcomes])
    n = outcomes.shape[1]
    if n < 2:
        return None, 0.0
    means = outcomes.mean(axis=1)
    residuals = outcomes - means[:, None] - outcomes.mean(axis=0) + means.mean()
    return means, float((residuals**2).sum()) / ((len(runs) - 1) * (n - 1)) / n


def _luck(
    sides: "Sequence[Mapping[K, float]]", variances: "NDArray[np.float64]", generator: "np.random.Generator"
) -> "NDArray[np.float64]":
    """Weighted sums of independent deviations, one per key: draws x sides. variances: draws x 1."""
    import numpy as np

    keys = list(dict.fromkeys(key for side in sides for key in side))
    weights = np.array([[side.get(key, 0.0) for side in sides] for key in keys]).reshape(len(keys), len(sides))
    return np.asarray(np.sqrt(variances) * (generator.standard_normal((len(variances), len(keys))) @ weights))


def _arm_weights(weights: ArmWeights) -> dict[Arm, float]:
    return {arm: weight for arm, weight in weights.items() if isinstance(arm, Arm)}


def _squares(weights: Mapping[K, float]) -> float:
    return sum(weight**2 for weight in weights.values())


def _is_drawn(arm: Arm) -> bool:
    return selection_of(arm).kind == "random"
