"""What a stratified sheet says of all pairs: means, the judge's errors, and numbers corrected by the sheet.

A judge scored all N pairs; people scored n of them, drawn within strata by the judge's delta. This is two-phase
sampling: every number here is a mean over all pairs of what is known of all, plus a stratified mean over the sheet of
what only people can tell. Its variance has the two parts of such a design (Cochran 1977, eq. 12.2; Särndal, Swensson
and Wretman 1992, section 9.3): that of the pairs, and that of the sheet drawn from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from prefdelta.core.statistics import LEVEL, NOTHING, Estimate, Variance, t_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class StratifiedSample:
    """Which stratum each scored pair is of, and how large the strata are. At least two scored pairs in each."""

    strata: "NDArray[np.int64]"  # (n,) index of the stratum of each scored pair
    sizes: "NDArray[np.float64]"  # (H,) pairs of each stratum, scored or not

    @classmethod
    def of(cls, strata: Sequence[int], sizes: Sequence[int]) -> Self | None:
        """The sample; a stratum with fewer than two scored pairs is joined with its neighbour. None: fewer than two."""
        import numpy as np

        groups: list[tuple[set[int], int]] = []  # strata, pairs
        carried: set[int] = set()
        scored = [list(strata).count(index) for index in range(len(sizes))]
        for index in range(len(sizes)):
            carried.add(index)
            if sum(scored[one] for one in carried) >= 2:
                groups.append((carried, sum(sizes[one] for one in carried)))
                carried = set()
        if not groups:
            return None
        if carried:
            last, size = groups.pop()
            groups.append((last | carried, size + sum(sizes[one] for one in carried)))
        place = {one: number for number, (members, _) in enumerate(groups) for one in members}
        return cls(np.array([place[one] for one in strata]), np.array([size for _, size in groups], dtype=float))

    @property
    def scored(self) -> "NDArray[np.float64]":
        """(H,) scored pairs of each stratum."""
        import numpy as np

        return np.bincount(self.strata, minlength=len(self.sizes)).astype(float)

    @property
    def shares(self) -> "NDArray[np.float64]":
        """(H,) share of all pairs that each stratum holds."""
        return self.sizes / self.sizes.sum()

    @property
    def weights(self) -> "NDArray[np.float64]":
        """(n,) weight of each scored pair; they sum to 1."""
        import numpy as np

        return np.asarray((self.shares / self.scored)[self.strata])

    def mean(self, values: "NDArray[np.float64]") -> float:
        """The mean over all pairs, as the sheet estimates it. values: (n,)."""
        return float(self.weights @ values)

    def variances(self, values: "NDArray[np.float64]", known: "NDArray[np.float64] | float" = 0.0) -> list[Variance]:
        """The variance of (mean of `known` over all pairs) + (estimated mean of `values`), in independent parts.

        values, known: (n,), of the scored pairs.
        """
        total = values + known
        n, pairs = len(values), float(self.sizes.sum())
        around = self.weights @ (total - self.weights @ total) ** 2
        parts = [Variance(float(around) * n / (n - 1) / pairs, n - 1)]
        factors = self.factors
        for stratum, (factor, count) in enumerate(zip(factors, self.scored, strict=True)):
            spread = float(values[self.strata == stratum].var(ddof=1))
            parts.append(Variance(float(factor) * spread, count - 1))
        return [part for part in parts if part.value > 0]

    @property
    def factors(self) -> "NDArray[np.float64]":
        """(H,) by which a variance within a stratum enters the variance of a stratified mean."""
        return self.shares**2 * (1 - self.scored / self.sizes) / self.scored


def people_mean(sample: StratifiedSample, people: "NDArray[np.float64]") -> Estimate:
    """The mean over all pairs by the sheet alone. people: (n,) people's deltas."""
    return t_interval(sample.mean(people), len(people), sample.variances(people))


def corrected_mean(
    sample: StratifiedSample,
    people: "NDArray[np.float64]",
    judge: "NDArray[np.float64]",
    judge_mean: float,
) -> Estimate:
    """The mean that people would give all pairs: the judge's mean, corrected by the sheet.

    Prediction-powered inference for a mean (Angelopoulos et al. 2023, arXiv 2301.09633) with power tuning (2311.01453,
    section 6) and strata (Fisch et al. 2024, 2406.04291), for a sheet drawn from the pairs that the judge scored. With
    one stratum it equals PPI++ with the pairs outside of the sheet as its unlabelled data.
    people, judge: (n,) deltas of the scored pairs. judge_mean: the judge's mean delta over all pairs.
    """
    import numpy as np

    covariance = variance = 0.0
    for stratum, factor in enumerate(sample.factors):
        inside = sample.strata == stratum
        table = np.cov(people[inside], judge[inside])
        covariance, variance = covariance + factor * table[0, 1], variance + factor * table[1, 1]
    power = covariance / variance if variance > 0 else 1.0
    rest = people - power * judge
    value = power * judge_mean + sample.mean(rest)
    return t_interval(value, len(people), sample.variances(rest, power * judge))


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """How often the judge sees what people see, with people's word taken for the truth."""

    sensitivity: Estimate  # share of the pairs that are better by people, and by the judge too
    specificity: Estimate  # share of the pairs that are not better by people, nor by the judge
    corrected: Estimate  # share of all pairs that are better by people: the judge's share, corrected


def judge_errors(
    sample: StratifiedSample,
    people: "NDArray[np.bool_]",
    judge: "NDArray[np.bool_]",
    judge_share: float,
) -> JudgeErrors:
    """Sensitivity, specificity, and the share of pairs that are better, corrected by them.

    The corrected share is (p + specificity - 1) / (sensitivity + specificity - 1) (Rogan and Gladen 1978), with the
    variance from both samples as in 2511.21140, here for a stratified sheet that is part of the judged pairs.
    people, judge: (n,) whether the chosen trace is better. judge_share: by the judge, over all pairs.
    """
    import numpy as np

    sensitivity, by_better = _share(sample, judge & people, people)
    specificity, by_worse = _share(sample, ~judge & ~people, ~people)
    found, missed = sensitivity.value, specificity.value
    corrected = Estimate(None, None, None, len(people))
    if found is not None and missed is not None and found + missed - 1 > 0.05:
        youden = found + missed - 1
        value = (judge_share + missed - 1) / youden
        values = (-value * by_better + (1 - value) * by_worse) / youden
        known = (judge.astype(float) - judge_share) / youden
        whole = t_interval(value, len(people), sample.variances(values, known))
        low, high = whole.low, whole.high
        clipped = [None if one is None else float(np.clip(one, 0, 1)) for one in (value, low, high)]
        corrected = Estimate(clipped[0], clipped[1], clipped[2], whole.n, whole.se, whole.df)
    return JudgeErrors(sensitivity, specificity, corrected)


def _share(
    sample: StratifiedSample, hits: "NDArray[np.bool_]", among: "NDArray[np.bool_]"
) -> "tuple[Estimate, NDArray[np.float64]]":
    """The share of hits among some pairs, and how far each scored pair moves it (linearised, (n,)).

    The interval is Wilson's, at the effective number of pairs (Korn and Graubard 1998): that with which a simple random
    sample would have the same variance, and no more than were scored.
    """
    import numpy as np
    from statsmodels.stats.proportion import proportion_confint

    weights, n = sample.weights, int(among.sum())
    if n == 0:
        return NOTHING, np.zeros(len(among))
    mass = float(weights @ among)
    value = float(weights @ hits) / mass
    moves = (hits - value * among) / mass
    variance = sum(part.value for part in sample.variances(moves))
    inside = weights[among]
    effective = min(n, float(inside.sum() ** 2 / (inside @ inside)))  # Kish
    if variance > 0:
        effective = min(n, value * (1 - value) / variance)
    low, high = proportion_confint(value * effective, effective, alpha=1 - LEVEL, method="wilson")
    return Estimate(value, float(low), float(high), n), moves
