"""What a stratified sheet says of all pairs: means, the judge's errors, and numbers corrected by the sheet.

A judge scored all N pairs; people scored n of them, drawn within strata by the judge's delta. This is two-phase
sampling: a mean over all pairs of what is known of all, plus a stratified mean over the sheet of what only people can
tell. Its variance has the two parts of such a design (Cochran 1977, eq. 12.2; Särndal, Swensson
and Wretman 1992, section 9.3): that of the pairs, and that of the sheet drawn from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from prefdelta.core.statistics import LEVEL, NOTHING, Estimate, Variance, t_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DRAWS = 4000  # behind the intervals of the judge's errors
_PRIOR = 1 / 3


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
        import numpy as np

        return np.asarray(self.sizes / self.sizes.sum())

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
    value = float(power * judge_mean + sample.mean(rest))
    return t_interval(value, len(people), sample.variances(rest, power * judge))


@dataclass(frozen=True, slots=True)
class Cell:
    """Pairs of one stratum on which the judge says the same."""

    stratum: int
    better: bool  # whether the chosen trace is better by the judge
    pairs: int
    scored: int  # of them, by people
    confirmed: int  # of the scored: better by people


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """How often the judge sees what people see, with people's word taken for the truth."""

    sensitivity: Estimate  # share of the pairs that are better by people, and by the judge too
    specificity: Estimate  # share of the pairs that are not better by people, nor by the judge
    corrected: Estimate  # share of all pairs that are better by people: the judge's share, corrected


NO_ERRORS = JudgeErrors(NOTHING, NOTHING, NOTHING)


def cells_of(judged: Mapping[str, tuple[int, bool]], people: Mapping[str, bool]) -> list[Cell]:
    """The cells of all pairs. judged: pair_id -> its stratum, and whether it is better by the judge. people: the same
    by people, of the scored pairs, which are among the judged ones.

    A cell without a scored pair is joined with the next stratum's that has one and the same word of the judge; if there
    is none, nothing can be said, and the list is empty.
    """
    found = []
    for better in (False, True):
        strata = sorted({stratum for stratum, word in judged.values() if word is better})
        cells = []
        for stratum in strata:
            inside = [pair_id for pair_id, what in judged.items() if what == (stratum, better)]
            words = [people[pair_id] for pair_id in inside if pair_id in people]
            cells.append(Cell(stratum, better, len(inside), len(words), sum(words)))
        scored = [cell for cell in cells if cell.scored]
        if cells and not scored:
            return []
        for cell in cells:
            if not cell.scored:
                near = min(scored, key=lambda other: abs(other.stratum - cell.stratum))
                scored[scored.index(near)] = replace(near, pairs=near.pairs + cell.pairs)
        found += scored
    return found


def judge_errors(cells: Sequence[Cell], seed: int) -> JudgeErrors:
    """Sensitivity, specificity, and the share of pairs that are better, corrected by them.

    The corrected share is that of Rogan and Gladen (1978), (p + specificity - 1) / (sensitivity + specificity - 1),
    with p the judge's share: with cells, it is the sum over them of (share of all pairs) times (share better by
    people). Intervals hold both samples, as in 2511.21140: they are quantiles of draws of the cells' shares of all
    pairs (Dirichlet) and of the shares better by people (beta, with the neutral prior of Kerman (2011), 1/3).
    Normal intervals are far too short here, because a heavy cell often shows no error at all.
    """
    import numpy as np

    if not cells:
        return NO_ERRORS
    generator = np.random.default_rng(seed)
    pairs, scored, confirmed = (
        np.array([getattr(cell, name) for cell in cells], dtype=float) for name in ("pairs", "scored", "confirmed")
    )
    better = np.array([cell.better for cell in cells])
    values = _errors(pairs / pairs.sum(), confirmed / scored, better)
    shares = generator.dirichlet(pairs, _DRAWS)
    confirming = generator.beta(confirmed + _PRIOR, scored - confirmed + _PRIOR, (_DRAWS, len(cells)))
    low, high = np.quantile(_errors(shares, confirming, better), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=-1)
    counts = (int(confirmed.sum()), int((scored - confirmed).sum()), int(scored.sum()))
    return JudgeErrors(
        *(
            Estimate(float(value), float(min(value, a)), float(max(value, b)), n) if np.isfinite(value) else NOTHING
            for value, a, b, n in zip(values, low, high, counts, strict=True)
        )
    )


def _errors(
    shares: "NDArray[np.float64]", confirmed: "NDArray[np.float64]", better: "NDArray[np.bool_]"
) -> "NDArray[np.float64]":
    """Sensitivity, specificity, share better: (3, ...). shares, confirmed: (..., cells)."""
    import numpy as np

    right, wrong = shares * confirmed, shares * (1 - confirmed)
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity = right[..., better].sum(axis=-1) / right.sum(axis=-1)
        specificity = wrong[..., ~better].sum(axis=-1) / wrong.sum(axis=-1)
    return np.array([sensitivity, specificity, right.sum(axis=-1)])
