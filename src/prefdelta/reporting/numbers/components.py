"""How much of one arm's accuracy each source of variance moves, in percentage points (standard deviations).

The variance of one run's accuracy, the mean over n problems, is a sum (Searle, Casella and McCulloch 1992, chapter 4;
Miller 2024, arXiv 2411.00640; Wang 2025, arXiv 2512.21326):

    total = problems / n + draw of answers / n + run

- problems + draw of answers: the variance of a problem's outcome over problems, divided by n, the mean over arms.
- draw of answers: with d answers per problem, of which a share p is right, p (1 - p) / (d - 1) is the variance of a
  problem's mean; its mean over problems, divided by n. Where problems are answered once, the residual mean square of
  runs x problems, divided by n: it also holds what a run changes on single problems.
- run: `numbers.runs`, pooled over families.
- of a gain: the same with a problem's outcome minus that of the untrained policy, so both draws of answers are in it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import LEVEL, Estimate
from prefdelta.reporting.arms import families
from prefdelta.reporting.content import Content
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.gains import POINTS, gain_weights
from prefdelta.reporting.numbers.runs import RunVariance, runs_of
from prefdelta.reporting.panels import Panel, panels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Components:
    """Standard deviations in one panel, in percentage points. None: this study cannot tell."""

    title: str
    in_domain: bool
    n: int  # problems
    arms: int  # over which the variance over problems is averaged
    problems: float | None  # of one arm's accuracy
    answers: float | None
    answers_from: str  # what shows it
    base_answers: float | None  # of the untrained policies' accuracy; None: they answered each problem once
    gain: float | None  # of one arm's gain, by problems and by both draws of answers
    run: Estimate  # n: families that were repeated; df: degrees of freedom


def components(content: Content) -> list[Components]:
    """One line per panel that has trained arms."""
    lines = (_line(content, panel) for panel in panels(content))
    return [line for line in lines if line is not None]


def _line(content: Content, panel: Panel) -> Components | None:
    matrices = [content.scores.answers(evaluation) for evaluation in panel.evaluations]
    known = [matrix for matrix in matrices if matrix is not None]
    arms = [arm for arm in content.scores.arms() if all(str(arm) in matrix.rows for matrix in known)]
    if not known or len(known) < len(matrices) or not arms:
        return None
    runs = content.scores.run_variance(panel.evaluations)
    bases = sorted({arm.base for arm in arms if all(str(arm.base) in matrix.rows for matrix in known)}, key=str)
    total = _over_problems(known, [{arm: 1.0} for arm in arms])
    own = _draws(known, arms)
    answers = runs.answers if own is None and runs else own
    return Components(
        title=panel.title,
        in_domain=panel.in_domain,
        n=sum(matrix.n_problems for matrix in known),
        arms=len(arms),
        problems=None if total is None or answers is None else _points(total - answers),
        answers=None if answers is None else _points(answers),
        answers_from="repeated answers" if own is not None else "residuals of repeated arms" if runs else "",
        base_answers=None if (shared := _draws(known, bases)) is None else _points(shared),
        gain=_points(_over_problems(known, [gain_weights([arm]) for arm in arms if arm.base in bases])),
        run=_run(runs, _repeated(arms)),
    )


def _over_problems(matrices: Sequence[AnswerMatrix], sums: Sequence[Mapping[Arm | Base, float]]) -> float | None:
    """Variance of the mean over problems, within each benchmark, of single arms or gains: the mean over these."""
    values = []
    for weights in sums:
        parts = [matrix.units(matrix.weighted(weights)) for matrix in matrices]
        if min(map(len, parts)) > 1:
            values.append(sum(float(part.var(ddof=1)) / len(part) for part in parts) / len(parts) ** 2)
    return math.fsum(values) / len(values) if values else None


def _draws(matrices: Sequence[AnswerMatrix], sides: Sequence[Arm | Base]) -> float | None:
    """Variance of a mean over problems by the draw of answers, from several answers to each: the mean over sides."""
    values = []
    for side in sides:
        parts = [_within(matrix, matrix.rows[str(side)]) for matrix in matrices]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            values.append(math.fsum(known) / len(parts) ** 2)
    return math.fsum(values) / len(values) if values else None


def _within(matrix: AnswerMatrix, row: int) -> float | None:
    """The draw of answers in one row: None if some problem has one answer only."""
    counted = matrix.counted[row]
    used = counted > 0
    if not used.any() or counted[used].min() < 2:
        return None
    means: NDArray[np.float64] = matrix.means[row][used]
    return float((means * (1 - means) / (counted[used] - 1)).mean()) / int(used.sum())


def _repeated(arms: Sequence[Arm]) -> int:
    return sum(len(runs_of(repeats)) > 1 for repeats in families(arms, merge_draws=True))


def _run(runs: RunVariance | None, repeated: int) -> Estimate:
    """The standard deviation between runs, with the interval from the chi-squared distribution of its mean square.

    (Searle, Casella and McCulloch 1992, chapter 3.)
    """
    if runs is None:
        return Estimate(None, None, None, 0)
    from scipy.stats import chi2

    tail = (1 - LEVEL) / 2
    low, high = (runs.between * runs.df / float(chi2.ppf(share, runs.df)) for share in (1 - tail, tail))
    value, least, most = (_points(end - runs.answers) for end in (runs.between, low, high))
    return Estimate(value, least, most, repeated, df=runs.df)


def _points(variance: float | None) -> float | None:
    return None if variance is None else POINTS * math.sqrt(max(0.0, variance))
