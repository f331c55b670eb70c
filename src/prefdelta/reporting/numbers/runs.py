"""How much runs vary: trainings of one family that differ in their seed, random draw of pairs or draw of traces.

Every interval of a trained arm holds this variance. It is pooled over all families of a study, because two or three
runs of one family say too little about it (and one says nothing). docs/intervals.md has the formulas and the coverage.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from prefdelta.core.arms import Arm, parse_arm, undrawn
from prefdelta.core.statistics import Variance
from prefdelta.reporting.arms import selection_of, without_draw
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.gains import ArmWeights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Run = tuple[Arm, ...]
Unit = Callable[[Arm], Hashable | None]  # what shares one luck with other arms; None: the source does not concern it
K = TypeVar("K", bound=Hashable)
V = TypeVar("V", float, "NDArray[np.float64]")


@dataclass(frozen=True, slots=True)
class MeanSquare:
    """How much the mean accuracies of repeats vary around that of their family, pooled: a squared share."""

    total: float  # the mean square
    answers: float  # the part of it that comes from the draw of answers, which the variance over items holds
    df: int  # repeats minus families
    holds: tuple[float, ...] = ()  # how much of the variance of each source before it (`RunVariance.sources`) it holds

    @property
    def value(self) -> float:
        return max(0.0, self.total - self.answers)

    def held(self, before: "Sequence[V]") -> "V | float":
        """What it holds of the variances of the sources before it. before: all of them."""
        return sum(share * variance for share, variance in zip(self.holds, before, strict=True))

    def times(self, factor: float) -> Variance:
        return Variance(factor * self.value, self.df, factor * self.total)

    def drawn(self, size: int, generator: "np.random.Generator") -> "NDArray[np.float64]":
        """Values that the truth may have, given the degrees of freedom: size x 1."""
        import numpy as np

        totals = self.total * self.df / generator.chisquare(self.df, size=(size, 1))
        return np.asarray(np.maximum(0.0, totals - self.answers))


@dataclass(frozen=True, slots=True)
class RunVariance:
    """The variance of runs around their family, by its sources. Each is nested in the next: seeds train on one random
    draw of pairs, and this is one of a draw of traces. `chosen` is the part of the last that families have in common.
    """

    seeds: MeanSquare | None  # arms that differ in their training seed only; None: no seed is repeated
    draws: MeanSquare | None  # means of arms that share a random draw of pairs; None: no draw is repeated
    traces: MeanSquare | None = None  # means of arms that share a draw of traces; None: no draw is repeated
    chosen: MeanSquare | None = None  # what families share whose chosen traces are of one draw; None: there are no two

    @property
    def df(self) -> int:
        """Degrees of freedom, of all sources together."""
        return sum(part.df for part in (self.seeds, self.draws, self.traces, self.chosen) if part)

    @property
    def sources(self) -> list[tuple[MeanSquare, Unit]]:
        """The sources that are repeated, with what shares one luck: seeds, random draws of pairs, draws of traces, and
        the draws of chosen traces that families share.

        Where seeds or random draws are not both repeated, arms of one random draw count as one run, which has the
        variance that is known.
        """
        return _sources(self.seeds, self.draws, self.traces, self.chosen)

    @property
    def variances(self) -> list[float]:
        """The variance that each of `sources` adds: its mean square less what it holds of the sources before it."""
        found: list[float] = []
        for square, _ in self.sources:
            found.append(max(0.0, square.value - square.held(found)))
        return found

    def adds(self, square: MeanSquare | None) -> float | None:
        """The variance that one of `sources` adds; None if it is not repeated."""
        found = zip(self.sources, self.variances, strict=True)
        return next((variance for (other, _), variance in found if other is square), None)

    def of(self, weights: ArmWeights) -> Variance:
        """The variance of a weighted sum of accuracies: of each source, times the squared weights of its units.

        What families share is in the variance of each already. It adds only as far as the families' weights add up;
        where they cancel, nothing is taken off, so that the interval of a difference is too wide, if anything. The
        variance is a weighted sum of mean squares, whose degrees of freedom are those of Satterthwaite (1946).
        """
        sources, variances = self.sources, self.variances
        factors = [sum(weight**2 for weight in _sums(weights, unit).values()) for _, unit in sources]
        if self.chosen:
            factors[-1] = max(0.0, factors[-1] - factors[-2])
        for place in range(len(sources) - 1, 0, -1):
            if variances[place] == 0:
                factors[place] = 0.0
            for before, held in enumerate(sources[place][0].holds):
                factors[before] -= held * factors[place]
        terms = [(factor, square) for factor, (square, _) in zip(factors, sources, strict=True) if factor]
        if len(terms) < 2:
            factor, square = terms[0] if terms else (0.0, sources[0][0])
            return square.times(factor)
        value = max(0.0, sum(factor * square.value for factor, square in terms))
        squares = [(abs(factor) * square.total, square.df) for factor, square in terms]
        total = sum(square for square, _ in squares)
        uncertain = sum(square**2 / df for square, df in squares)
        return Variance(value, total**2 / uncertain if uncertain else sources[0][0].df, total)

    def covariance(self, sums: Sequence[ArmWeights]) -> "NDArray[np.float64]":
        """The covariance of several weighted sums, sums x sums: (var(a + b) - var(a - b)) / 4."""
        import numpy as np

        def var(first: ArmWeights, second: ArmWeights, sign: int) -> float:
            arms = dict.fromkeys([*first, *second])
            return self.of({arm: first.get(arm, 0.0) + sign * second.get(arm, 0.0) for arm in arms}).value

        return np.array([[(var(a, b, 1) - var(a, b, -1)) / 4 for b in sums] for a in sums])

    def drawn(self, sides: Sequence[ArmWeights], size: int, generator: "np.random.Generator") -> "NDArray[np.float64]":
        """Deviations of several weighted sums by the luck of their runs: size x sides.

        The variance itself is drawn too, from what its degrees of freedom allow. Families count as independent.
        """
        import numpy as np

        found: list[NDArray[np.float64]] = []
        sources = _sources(self.seeds, self.draws, self.traces)
        for square, _ in sources:
            found.append(np.maximum(0.0, square.drawn(size, generator) - square.held(found)))
        lucks = [
            _luck([_sums(weights, unit) for weights in sides], variance, generator)
            for variance, (_, unit) in zip(found, sources, strict=True)
        ]
        return np.asarray(sum(lucks))


def _sources(
    seeds: MeanSquare | None, draws: MeanSquare | None, traces: MeanSquare | None, chosen: MeanSquare | None = None
) -> list[tuple[MeanSquare, Unit]]:
    found: list[tuple[MeanSquare, Unit]] = []
    if seeds and draws:
        found = [(seeds, _arm), (draws, _random_draw)]
    elif known := seeds or draws:
        found = [(known, _run)]
    return [*found, *([(traces, _draw_of_traces)] if traces else []), *([(chosen, _chosen_draw)] if chosen else [])]


def run_variance(matrices: Sequence[AnswerMatrix]) -> RunVariance | None:
    """The variance between runs of the mean accuracy over benchmarks, each of equal weight; None without repeats.

    In each family, runs x problems is a two-way layout: the mean square of the runs' means estimates the variance
    between runs plus that of the draw of answers, and the residual mean square, over the number of problems, the second
    (Searle, Casella and McCulloch 1992, chapter 4). Mean squares are pooled over families by their degrees of freedom.
    """
    names = set.intersection(*(set(matrix.rows) for matrix in matrices)) if matrices else set()
    arms = [arm for arm in map(parse_arm, sorted(names)) if isinstance(arm, Arm)]
    seeds = _pooled(matrices, by_seed(arms), [])
    draws = _pooled(matrices, by_random_draw(arms), [_arm] if seeds else [])
    traces = _pooled(matrices, by_traces(arms), [unit for _, unit in _sources(seeds, draws, None)])
    chosen = (
        _pooled(matrices, by_chosen(arms), [unit for _, unit in _sources(seeds, draws, traces)]) if traces else None
    )
    return RunVariance(seeds, draws, traces, _shared(chosen)) if seeds or draws or traces else None


def _shared(square: MeanSquare | None) -> MeanSquare | None:
    """The mean square of what families share, from that between the means of families on each draw.

    With c the part of a family's variance that a mean over families holds, and s of it shared, that is the mean square
    less what it holds: s + c (1 - s) - c. Divided by 1 - c, it is s.
    """
    if square is None:
        return None
    rest = 1 - square.holds[-1]
    return MeanSquare(square.total / rest, square.answers / rest, square.df, tuple(one / rest for one in square.holds))


def by_seed(arms: Iterable[Arm]) -> list[list[Run]]:
    """Single arms, in groups of at least two that differ in their training seed only."""
    return _grouped(arms, _same_pairs, _arm)


def by_random_draw(arms: Iterable[Arm]) -> list[list[Run]]:
    """Arms that share a random draw of pairs, in groups of at least two draws of one size from the same traces."""
    return _grouped(filter(_random_draw, arms), _draw_of_traces, _random_draw)


def by_traces(arms: Iterable[Arm]) -> list[list[Run]]:
    """Arms that share a draw of traces, in groups of at least two draws. Random draws of one size are repeats."""
    return _grouped(arms, _same_generators, _draw_of_traces)


def by_chosen(arms: Iterable[Arm]) -> list[list[Run]]:
    """Arms whose chosen traces are of one draw, in groups of at least two draws of one generator.

    The families of a group are those with arms in the most draws, the same for all, so that each draw is a mean over
    the same families. One family alone tells nothing that `by_traces` does not.
    """
    found = []
    for members in _by(arms, lambda arm: (arm.policy, undrawn(arm.pairing.chosen))):
        draws = {repeats: frozenset(arm.draw for arm in repeats) for repeats in _by(members, _same_generators)}
        most = max(draws.values(), key=lambda each: (len(each), sorted(each, reverse=True)))
        whole = [repeats for repeats, its in draws.items() if its == most]
        if len(whole) > 1 and len(most) > 1:
            found.append(_by((arm for repeats in whole for arm in repeats), _chosen_draw))
    return found


# --- units: what arms have in common ------------------------------------------------------------------------------


def _arm(arm: Arm) -> Hashable:
    return arm


def _same_pairs(arm: Arm) -> Hashable:
    return arm.policy, arm.pairing, arm.selection, arm.recipe


def _random_draw(arm: Arm) -> Hashable | None:
    return _same_pairs(arm) if selection_of(arm).kind == "random" else None


def _run(arm: Arm) -> Hashable:
    return _random_draw(arm) or arm


def _draw_of_traces(arm: Arm) -> Hashable:
    return arm.policy, arm.pairing, without_draw(arm), arm.recipe


def _chosen_draw(arm: Arm) -> Hashable:
    return arm.policy, arm.pairing.chosen


def _same_generators(arm: Arm) -> Hashable:
    return arm.policy, arm.pairing.undrawn, without_draw(arm), arm.recipe


def _by(arms: Iterable[Arm], unit: Unit) -> list[Run]:
    groups: dict[Hashable, list[Arm]] = {}
    for arm in arms:
        groups.setdefault(unit(arm), []).append(arm)
    return [tuple(group) for group in groups.values()]


def _grouped(arms: Iterable[Arm], family: Unit, unit: Unit) -> list[list[Run]]:
    """The units of each family that has several."""
    found = [_by(members, unit) for members in _by(arms, family)]
    return [units for units in found if len(units) > 1]


def _sums(weights: ArmWeights, unit: Unit) -> dict[Hashable, float]:
    """The weights of a sum of accuracies, by unit. Untrained policies are in no unit."""
    found: dict[Hashable, float] = {}
    for arm, weight in weights.items():
        if isinstance(arm, Arm) and (key := unit(arm)) is not None:
            found[key] = found.get(key, 0.0) + weight
    return found


# --- mean squares -------------------------------------------------------------------------------------------------


def _pooled(
    matrices: Sequence[AnswerMatrix], groups: Sequence[Sequence[Run]], before: Sequence[Unit]
) -> MeanSquare | None:
    """The mean square between the runs of each group, pooled. before: the units of the sources before this one."""
    total, answers, holds, df = 0.0, 0.0, [0.0] * len(before), 0
    for runs in groups:
        parts = [_layout(matrix, runs) for matrix in matrices]
        if any(means is None for means, _ in parts):
            continue
        means = sum(part for part, _ in parts if part is not None) / len(parts)
        total += float(((means - means.mean()) ** 2).sum())  # type: ignore[union-attr]
        answers += (len(runs) - 1) * sum(residual for _, residual in parts) / len(parts) ** 2
        for place, unit in enumerate(before):
            squares = [weight**2 for run in runs for weight in _sums(dict.fromkeys(run, 1 / len(run)), unit).values()]
            holds[place] += (len(runs) - 1) * sum(squares) / len(runs)
        df += len(runs) - 1
    return MeanSquare(total / df, answers / df, df, tuple(held / df for held in holds)) if df else None


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
