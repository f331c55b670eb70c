"""How much of one arm's accuracy each source of variance moves, in percentage points (standard deviations).

The variance of one run's accuracy, the mean over n problems, is a sum (Searle, Casella and McCulloch 1992, chapter 4;
Miller 2024, arXiv 2411.00640; Wang 2025, arXiv 2512.21326):

    total = problems / n + draw of answers / n + run

- problems + draw of answers: the variance of a problem's outcome over problems, divided by n, the mean over arms.
- draw of answers: with d answers per problem, of which a share p is right, p (1 - p) / (d - 1) is the variance of a
  problem's mean; its mean over problems, divided by n. Where problems are answered once, the residual mean square of
  runs x problems, divided by n: it also holds what a run changes on single problems.
- run: of training seeds, of random draws of pairs and of draws of traces, pooled over families (`numbers.runs`). Means
  of arms that share a draw differ by the draw and by a share of the seeds' variance, which is subtracted. Where each
  seed has a draw of traces of its own, nothing shows the seeds' share. What is told of draws of traces then holds both:
  it is the mean square of families without random draws of pairs, whose own mean square would hold the seeds as well.
- of a gain: the same with a problem's outcome minus that of the untrained policy, so both draws of answers are in it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Base, parse_arm
from prefdelta.core.statistics import LEVEL, Estimate
from prefdelta.reporting.arms import selection_of
from prefdelta.reporting.numbers.accuracies import Evaluation, Scores
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.gains import POINTS, gain_weights
from prefdelta.reporting.numbers.runs import MeanSquare, RunVariance, by_chosen, by_random_draw, by_seed, by_traces
from prefdelta.reporting.panels import Panel

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
    base_answers: float | None  # of the untrained policies' accuracy; None: some problems were answered once
    base_repeated: bool  # whether an untrained policy answered a problem several times
    gain: float | None  # of one arm's gain, by problems and by both draws of answers
    seeds: Estimate  # of training seeds; n: families that were repeated; df: degrees of freedom
    draws: Estimate  # of random draws of pairs, in arms that train on one; n and df as above
    traces: Estimate  # of draws of traces; n and df as above
    chosen: Estimate  # of what families have in common whose chosen traces are of one draw; n: generators
    together: bool  # whether `traces` holds the seeds, too: no seed is repeated within a draw


def components(scores: Scores, panels: Iterable[Panel]) -> list[Components]:
    """One line per panel that has trained arms."""
    lines = (_line(scores, panel) for panel in panels)
    return [line for line in lines if line is not None]


def _line(scores: Scores, panel: Panel) -> Components | None:
    matrices = [scores.answers(evaluation) for evaluation in panel.evaluations]
    known = [matrix for matrix in matrices if matrix is not None]
    arms = [arm for arm in scores.arms() if all(str(arm) in matrix.rows for matrix in known)]
    if not known or len(known) < len(matrices) or not arms:
        return None
    runs = scores.run_variance(panel.evaluations)
    bases = sorted({arm.base for arm in arms if all(str(arm.base) in matrix.rows for matrix in known)}, key=str)
    total = _over_problems(known, [{arm: 1.0} for arm in arms])
    own = _draws(known, arms)
    known_runs = [square for square, _ in runs.sources] if runs else []
    answers = known_runs[0].answers if own is None and known_runs else own
    together = seeds_with_traces(scores, panel.evaluations)
    of_traces = [arm for arm in arms if together is None or not _is_drawn(arm)]
    return Components(
        title=panel.title,
        in_domain=panel.in_domain,
        n=sum(matrix.n_problems for matrix in known),
        arms=len(arms),
        problems=None if total is None or answers is None else _points(total - answers),
        answers=None if answers is None else _points(answers),
        answers_from="repeated answers" if own is not None else "residuals of repeated arms" if known_runs else "",
        base_answers=None if (shared := _draws(known, bases)) is None else _points(shared),
        base_repeated=any(matrix.draws(matrix.rows[str(base)]) > 1 for matrix in known for base in bases),
        gain=_points(_over_problems(known, [gain_weights([arm]) for arm in arms if arm.base in bases])),
        seeds=_between(runs, runs.seeds if runs else None, len(by_seed(arms))),
        draws=_between(runs, runs.draws if runs else None, len(by_random_draw(arms))),
        traces=_between(runs, together or (runs.traces if runs else None), len(by_traces(of_traces))),
        chosen=_between(runs, runs.chosen if runs else None, len(by_chosen(arms))),
        together=together is not None,
    )


def seeds_with_traces(scores: Scores, evaluations: Sequence[Evaluation]) -> MeanSquare | None:
    """The mean square of runs of which each has a seed and a draw of traces of its own: it holds both.

    It is over families without random draws of pairs. None: a seed is repeated on one draw, or there are no such runs.
    """
    runs = scores.run_variance(evaluations)
    if runs is None or runs.seeds is not None:
        return None
    alone = scores.mapped(_without_random_draws).run_variance(evaluations)
    return alone.traces if alone else None


def _without_random_draws(matrix: AnswerMatrix) -> AnswerMatrix:
    return replace(matrix, rows={name: row for name, row in matrix.rows.items() if not _is_drawn(parse_arm(name))})


def _is_drawn(arm: Arm | Base) -> bool:
    return isinstance(arm, Arm) and selection_of(arm).kind == "random"


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


def _between(runs: RunVariance | None, square: MeanSquare | None, repeated: int) -> Estimate:
    """The standard deviation that a source adds: of its mean square, less what this holds of the sources before it.

    The 95% interval is that of the chi-squared distribution of the mean square (Searle, Casella and McCulloch 1992,
    chapter 3); what is subtracted is taken as known. Without a mean square there is no value.
    """
    if runs is None or square is None:
        return Estimate(None, None, None, 0)
    from scipy.stats import chi2

    known = square.held(runs.variances[: len(square.holds)])
    tail = (1 - LEVEL) / 2
    low, high = (square.total * square.df / float(chi2.ppf(share, square.df)) for share in (1 - tail, tail))
    if high <= square.answers + known:  # the repeats differ less than the draw of answers lets them
        return Estimate(0.0, None, None, repeated, df=square.df)
    value, least, most = (_points(end - square.answers - known) for end in (square.total, low, high))
    return Estimate(value, least, most, repeated, df=square.df)


def _points(variance: float | None) -> float | None:
    return None if variance is None else POINTS * math.sqrt(max(0.0, variance))
