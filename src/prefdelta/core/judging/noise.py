"""A judge's noise: the share of its scores that differ from those it would give without noise, from two judgings.

The noiseless scores are unknown, so what two judgings show (how often they differ, and by how much) says how much noise
there is only under an assumption on it. Here a noisy score is one step away: up or down with equal chances, and at 1
and 5 the only way there is. Noise is independent of the score, and of the other judging. This is how mini's judge errs
(`prefdelta.servers.rules`). With unknown shares of the five noiseless scores, the 5 x 5 counts of the two judgings
have a likelihood, which is maximised by EM (Dempster, Laird and Rubin 1977; for raters, Dawid and Skene 1979).

Noise that moves a score further, or a judge that rates on another level, breaks the assumption. Scores more than two
steps apart cannot come about by it: they are counted and left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.core.statistics import LEVEL, NOTHING, Estimate
from prefdelta.core.tasks.rating import SCORES, one_step_off

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FARTHEST = 2  # steps between two scores that noise of one step can part
_ENOUGH = 1e-9  # change of the shares at which EM has converged
_MOST_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class NoiseShares:
    """The noise of two judgings, as shares (0 to 1) of their scores, with 95% intervals."""

    first: Estimate
    second: Estimate
    beyond: int  # traces whose two scores are more than two steps apart; they are left out


def noise_shares(first: Sequence[int], second: Sequence[int], *, same_judge: bool) -> NoiseShares:
    """The noise of two judgings of the same traces on one dimension.

    first, second: scores from 1 to 5, one per trace, in the same order. same_judge: both have the same noise.
    Intervals are those of the profile likelihood, cut at the quantile of chi-square with one degree of freedom. Without
    traces there are no values.
    """
    import numpy as np

    counts = np.zeros((len(SCORES), len(SCORES)))
    np.add.at(counts, (np.asarray(first, dtype=int) - 1, np.asarray(second, dtype=int) - 1), 1)
    apart = np.abs(np.subtract.outer(np.arange(len(SCORES)), np.arange(len(SCORES))))
    beyond = int(counts[apart > _FARTHEST].sum())
    counts[apart > _FARTHEST] = 0
    if not (n := int(counts.sum())):
        return NoiseShares(NOTHING, NOTHING, beyond)
    best = _NoiseFit.of(counts, same_judge)
    if same_judge:
        both = _interval(counts, best, 0, n, same_judge)
        return NoiseShares(both, both, beyond)
    return NoiseShares(_interval(counts, best, 0, n, same_judge), _interval(counts, best, 1, n, same_judge), beyond)


@dataclass(frozen=True, slots=True)
class _NoiseFit:
    """The most likely shares of noiseless scores and of noise."""

    scores: "NDArray[np.float64]"  # 5: shares of the noiseless scores
    noise: tuple[float, float]  # of the first and of the second judging
    likelihood: float  # logarithm

    @classmethod
    def of(
        cls,
        counts: "NDArray[np.float64]",
        same_judge: bool,
        fixed: dict[int, float] | None = None,
        start: "_NoiseFit | None" = None,
    ) -> "_NoiseFit":
        """counts: 5 x 5. fixed: judging -> its noise, if it is not estimated."""
        import numpy as np

        fixed = fixed or {}
        n = counts.sum()
        scores = start.scores if start else np.full(len(SCORES), 1 / len(SCORES))
        noise = np.array(start.noise if start else (0.1, 0.1))
        scores = (scores + 1e-3) / (scores + 1e-3).sum()  # EM never leaves a share of 0
        noise = np.clip(noise, 1e-3, 1 - 1e-3)
        for judging, share in fixed.items():
            noise[judging] = share
        away = 1 - np.eye(len(SCORES))
        for _ in range(_MOST_STEPS):
            joint = scores[:, None, None] * _kernel(noise[0])[:, :, None] * _kernel(noise[1])[:, None, :]
            total = joint.sum(axis=0)
            weights = joint * (counts / np.where(total > 0, total, 1))
            moved = np.array([np.einsum("txy,tx->", weights, away), np.einsum("txy,ty->", weights, away)]) / n
            if same_judge:
                moved[:] = moved.mean()
            for judging, share in fixed.items():
                moved[judging] = share
            before, scores, noise = (scores, noise), weights.sum(axis=(1, 2)) / n, moved
            if max(np.abs(scores - before[0]).max(), np.abs(noise - before[1]).max()) < _ENOUGH:
                break
        total = np.einsum("t,tx,ty->xy", scores, _kernel(noise[0]), _kernel(noise[1]))
        seen = counts > 0
        with np.errstate(divide="ignore"):
            likelihood = float((counts[seen] * np.log(total[seen])).sum())
        return cls(scores, (float(noise[0]), float(noise[1])), likelihood)


def _kernel(noise: float) -> "NDArray[np.float64]":
    """The chance of each score (columns) given the noiseless one (rows)."""
    import numpy as np

    kernel = np.eye(len(SCORES)) * (1 - noise)
    for score in SCORES:
        for goes_up in (False, True):
            kernel[score - 1, one_step_off(score, goes_up) - 1] += noise / 2
    return kernel


def _interval(counts: "NDArray[np.float64]", best: _NoiseFit, judging: int, n: int, same_judge: bool) -> Estimate:
    from scipy.optimize import brentq
    from scipy.stats import chi2

    drop = float(chi2.ppf(LEVEL, 1)) / 2
    value = best.noise[judging]

    def left(share: float) -> float:
        """How far the likelihood may still fall, if the noise were this share."""
        fixed = {0: share, 1: share} if same_judge else {judging: share}
        return _NoiseFit.of(counts, same_judge, fixed, best).likelihood - best.likelihood + drop

    least, most = 1e-9, 1 - 1e-9
    low = 0.0 if value <= least or left(least) >= 0 else float(brentq(left, least, value, xtol=1e-5))
    high = 1.0 if value >= most or left(most) >= 0 else float(brentq(left, value, most, xtol=1e-5))
    return Estimate(value, low, high, n)
