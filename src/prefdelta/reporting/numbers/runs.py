"""How much runs vary: trainings of one family that differ in their seed, their tie order or their random draw.

Every interval of a trained arm holds this variance. It is pooled over all families of a study, because two or three
runs of one family say too little about it (and one says nothing): science of the choice, and its coverage, in
docs/intervals.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import Variance
from prefdelta.reporting.arms import families, selection_of
from prefdelta.reporting.numbers.answers import AnswerMatrix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Run = tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class RunVariance:
    """The variance of one run's accuracy around that of its family, as a squared share."""

    between: float  # mean square of the runs' accuracies, over the families
    answers: float  # the part of it that comes from the draw of answers, which the variance over items holds
    df: int  # degrees of freedom: runs minus families

    @property
    def value(self) -> float:
        return max(0.0, self.between - self.answers)

    def times(self, factor: float) -> Variance:
        """The variance of a sum of independent runs. factor: the sum of their squared weights."""
        return Variance(factor * self.value, self.df, factor * self.between)


def runs_of(arms: Iterable[Arm]) -> list[Run]:
    """Arms by run. Arms that train on the same random draw are one run, because they share its luck."""
    by_run: dict[object, list[Arm]] = {}
    for arm in arms:
        drawn = selection_of(arm).kind == "random"
        key = (arm.policy, arm.pairing, arm.selection, arm.recipe) if drawn else arm
        by_run.setdefault(key, []).append(arm)
    return [tuple(run) for run in by_run.values()]


def run_weights(weights: Mapping[Arm | Base, float]) -> dict[Run, float]:
    """The weights of a sum of accuracies, by run; untrained policies are no runs."""
    return {run: sum(weights[arm] for arm in run) for run in runs_of(arm for arm in weights if isinstance(arm, Arm))}


def run_variance(matrices: Sequence[AnswerMatrix]) -> RunVariance | None:
    """The variance between runs of the mean accuracy over benchmarks, each of equal weight; None without repeats.

    In each family, runs x prompts is a two-way layout: the mean square of the runs' means estimates the variance
    between runs plus that of the draw of answers, and the residual mean square, over the number of prompts, the second
    (Searle, Casella and McCulloch 1992, chapter 4). Mean squares are pooled over families by their degrees of freedom.
    """
    names = set.intersection(*(set(matrix.rows) for matrix in matrices)) if matrices else set()
    arms = [Arm.parse(name) for name in sorted(names) if not name.endswith("/base")]
    between, answers, df = 0.0, 0.0, 0
    for family in families(arms, merge_draws=True):
        runs = runs_of(family)
        if len(runs) < 2:
            continue
        parts = [_layout(matrix, runs) for matrix in matrices]
        if any(means is None for means, _ in parts):
            continue
        means = sum(part for part, _ in parts if part is not None) / len(parts)
        between += float(((means - means.mean()) ** 2).sum())  # type: ignore[union-attr]
        answers += (len(runs) - 1) * sum(residual for _, residual in parts) / len(parts) ** 2
        df += len(runs) - 1
    return RunVariance(between / df, answers / df, df) if df else None


def _layout(matrix: AnswerMatrix, runs: Sequence[Run]) -> "tuple[NDArray[np.float64] | None, float]":
    """(mean accuracy of each run, variance of such a mean from the draw of answers); (None, 0) for too few prompts."""
    import numpy as np

    outcomes = np.stack([matrix.means[matrix.rows_of(run)].mean(axis=0) for run in runs])
    outcomes = outcomes[:, ~np.isnan(outcomes).any(axis=0)]
    n = outcomes.shape[1]
    if n < 2:
        return None, 0.0
    means = outcomes.mean(axis=1)
    residuals = outcomes - means[:, None] - outcomes.mean(axis=0) + means.mean()
    return means, float((residuals**2).sum()) / ((len(runs) - 1) * (n - 1)) / n
