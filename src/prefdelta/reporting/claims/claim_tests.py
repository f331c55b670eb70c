"""The kinds of tests that claims name: each turns arms into a few numbers that a claim says are above or below zero."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.paper_claims import (
    DeltaTrend,
    Difference,
    Gains,
    GridSlopes,
    LevelsOff,
    Retains,
    Steadiness,
    Test,
    Trend,
)
from prefdelta.core.statistics import NOTHING, Estimate, scaled
from prefdelta.reporting.arms import Repeats, families
from prefdelta.reporting.claims.arms import (
    Weights,
    by_pairing,
    by_size,
    capability,
    combined,
    generator_delta,
    matching,
    nearest_k,
    places_to_measure,
    seeds_of,
)
from prefdelta.reporting.claims.delta_slopes import delta_slope
from prefdelta.reporting.claims.joint import lack_of_fit, retained_share
from prefdelta.reporting.claims.slopes import half_slopes, plane, slope
from prefdelta.reporting.contrasts import ContrastName, Where, along, contrast, gain, named
from prefdelta.reporting.evidence import Evidence
from prefdelta.reporting.formats import listed
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.gains import POINTS, ArmWeights, mean_weights
from prefdelta.reporting.numbers.sharpening import MatchedBase, match

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAVES_GRID = "an arm is sharper than the coolest temperature of the grid"
NO_MATCH = "its entropy is not known"


@dataclass(frozen=True, slots=True)
class ClaimNumber:
    """A number that is above 0 if the claim is true (or below 0)."""

    contrast: ContrastName  # what it is of
    estimate: Estimate  # in the unit of its test
    above: bool = True  # whether the claim says above 0
    seeds: Sequence[str] = ()  # training seeds; empty: no arms are involved
    note: str = ""  # another number that helps to read this one
    # What it was computed from: sums of arms' accuracies, or of pairings' mean deltas (one, but for steadiness), ...
    sums: Sequence[Mapping[str, float]] = ()
    over: Sequence[str] = ()  # ... and the mean of which: <group>/<benchmark>, or a dimension (and `length`)
    arms: Sequence[Arm | Base] = ()  # of the sums
    obstacle: str = ""  # why the number decides nothing, wherever its interval lies; empty: it may decide

    told: Sequence[int] = ()  # the parts of its name that all numbers of its claim have in common

    @property
    def title(self) -> str:
        """What it is of, and why it decides nothing, if it does not."""
        return f"{self.contrast}{self._remark}"

    @property
    def label(self) -> str:
        """The title without what its claim says once."""
        return f"{self.contrast.without(self.told)}{self._remark}"

    @property
    def _remark(self) -> str:
        return f" ({self.obstacle})" if self.obstacle else ""


@dataclass(frozen=True, slots=True)
class _Series:
    """Arms that differ only in their pairing, along the generator delta."""

    deltas: Sequence[float]  # units of 10 points, rising
    families: Sequence[Repeats]


def unit(test: Test) -> str:
    """The unit of a test's numbers."""
    match test:
        case Trend():
            return "points per 10 points of generator delta"
        case Steadiness():
            return "squared points"
        case GridSlopes():
            return "points per 10 points of accuracy"
        case DeltaTrend():
            return "score points per 10 points of generator delta"
        case _:
            return "points"


def measure(test: Test, evidence: Evidence) -> list[ClaimNumber]:
    """The numbers of a test; empty if the study lacks arms for it, or what all its sharpened bases need."""
    numbers = _of_kind(test, evidence)
    return numbers if any(number.obstacle != NO_MATCH for number in numbers) else []


def _of_kind(test: Test, evidence: Evidence) -> list[ClaimNumber]:
    experiments = [evidence.experiments[name] for name in test.experiments if name in evidence.experiments]
    arms = list(dict.fromkeys(arm for experiment in experiments for arm in experiment.arms))
    match test:
        case Trend():
            return _trend(test, evidence, arms)
        case LevelsOff():
            return _levels_off(test, evidence, arms)
        case Gains():
            return _gains(test, evidence, arms)
        case Difference():
            return _difference(test, evidence, arms)
        case Retains():
            return _retains(test, evidence, arms)
        case Steadiness():
            return _steadiness(test, evidence, arms)
        case GridSlopes():
            return _grid(test, evidence, arms)
        case DeltaTrend():
            return _delta_trend(test, evidence, arms)


def _trend(test: Trend, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    """One number per series and group of benchmarks. Beside it stands how well a line fits, if it is the whole line."""
    numbers = []
    how = "slope of the gain" if test.part == "all" else f"slope of the gain over the {test.part}"
    for series in _along_generators(evidence, arms):
        halves = half_slopes(series.deltas)
        weights = slope(series.deltas) if test.part == "all" else halves and halves[0]
        if not weights:
            continue
        sums = combined(list(zip(series.families, weights, strict=True)), against=test.against)
        whole_line = test.part == "all" and test.against == "base"
        for place in places_to_measure(evidence, test.over):
            note = lack_of_fit(evidence, series.deltas, series.families, place.evaluations) if whole_line else ""
            name = along(how, series.families, place, against=test.against)
            numbers.append(_number(evidence, name, sums, place, note=note))
    return numbers


def _levels_off(test: LevelsOff, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    numbers = []
    for series in _along_generators(evidence, arms):
        halves = half_slopes(series.deltas)
        if halves is None:
            continue
        begins = len(series.deltas) - len(series.deltas) // 2 - 1
        span = series.deltas[-1] - series.deltas[begins]
        change = [(repeats, span * weight) for repeats, weight in zip(series.families, halves[1], strict=True)]
        first = series.families[begins]
        for sign, words, above in ((-1, "minus", False), (1, "plus", True)):
            sums = combined([*change, (first, sign * test.share)], gain=True)
            middle = first[0].pairing.undrawn.chosen
            how = f"change of the gain beyond {middle} {words} {test.share:g} × the gain of {middle},"
            for place in places_to_measure(evidence, test.over):
                numbers.append(_number(evidence, along(how, series.families, place), sums, place, above=above))
    return numbers


def _gains(test: Gains, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    matched = [arm for arm in matching(arms, test.arms) if arm.pairing.chosen != arm.pairing.rejected]
    return [
        _number(
            evidence,
            gain(repeats, place, test.against),
            combined([(repeats, 1.0)], gain=True, against=test.against),
            place,
        )
        for place in places_to_measure(evidence, test.over)
        for repeats in families(matched)
    ]


def _difference(test: Difference, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    """One number per policy and pairing. Random draws of one size are repeats; selections have equal weights."""
    numbers = []
    for left, right in _sides(test, evidence, arms):
        sums = combined([*left, *((repeats, -share) for repeats, share in right)], against=test.against)
        sides = [[repeats for repeats, _ in side] for side in (left, right)]
        for place in places_to_measure(evidence, test.over):
            numbers.append(_number(evidence, contrast("", sides, place, against=test.against), sums, place))
    return numbers


def _retains(test: Retains, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    numbers = []
    for left, right in _sides(test, evidence, arms):
        kept, whole = combined(left, gain=True), combined(right, gain=True)
        rest = combined([*left, *((repeats, -test.keeps * share) for repeats, share in right)], gain=True)
        sides = [[repeats for repeats, _ in side] for side in (left, right)]
        for place in places_to_measure(evidence, test.over):
            numbers.append(_number(evidence, contrast("gain of", sides[1:], place), whole, place))
            note = retained_share(evidence, kept, whole, place.evaluations)
            name = contrast("gain of", sides, place, between=f" − {test.keeps:g} × gain of ")
            numbers.append(_number(evidence, name, rest, place, note=note))
    return numbers


def _steadiness(test: Steadiness, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    """The difference of the sides' mean variances over the sizes that all selections share, if at least three."""
    numbers = []
    for own in by_pairing(arms):
        left, right = (by_size(matching(own, side)) for side in (test.left, test.right))
        sides = [*left.values(), *right.values()]
        ks = sorted(set.intersection(*(set(side) for side in sides))) if left and right else []
        if len(ks) < 3:
            continue
        sums = [mean_weights(side[k]) for side in sides for k in ks]
        shape = (len(sides), len(ks))

        def spread(
            means: "NDArray[np.float64]", shape: tuple[int, int] = shape, n: int = len(left)
        ) -> "NDArray[np.float64]":
            variances: NDArray[np.float64] = means.reshape(*means.shape[:-1], *shape).var(axis=-1, ddof=1)  # by side
            difference: NDArray[np.float64] = variances[..., :n].mean(axis=-1) - variances[..., n:].mean(axis=-1)
            return difference

        how = f"variance of the gain over k = {', '.join(f'{k:,}' for k in ks)}: {_mean_of(left)} − {_mean_of(right)}"
        seeds = seeds_of(arm for weights in sums for arm in weights)
        for place in places_to_measure(evidence, test.over):
            estimate = scaled(evidence.scores.of_accuracies(sums, place.evaluations, spread, "steadiness"), POINTS**2)
            of_all = contrast("", [[side[k] for side in sides for k in ks]], place)
            name, by_name = replace(of_all, what=how), list(map(_by_name, sums))
            over = _names(place.evaluations)
            used = list(dict.fromkeys(arm for weights in sums for arm in weights))
            estimate = named(estimate, name)
            numbers.append(ClaimNumber(name, estimate, above=False, seeds=seeds, sums=by_name, over=over, arms=used))
    return numbers


def _mean_of(names: Collection[str]) -> str:
    return f"mean of {listed(names)}" if len(names) > 1 else listed(names)


def _grid(test: GridSlopes, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    """Two numbers per policy, selection and recipe: the slopes along the chosen and along the rejected generators."""
    grids: dict[tuple[str, str, str], list[tuple[float, float, Repeats]]] = {}
    for repeats in families(arms):
        first = repeats[0]
        chosen, rejected = (capability(evidence, repeats, side) for side in ("chosen", "rejected"))
        if chosen is not None and rejected is not None and not evidence.is_confounded(first.pairing):
            key = (first.policy, first.selection, first.recipe)
            grids.setdefault(key, []).append((chosen, rejected, repeats))
    numbers = []
    for cells in grids.values():
        slopes = plane([chosen for chosen, _, _ in cells], [rejected for _, rejected, _ in cells])
        if slopes is None:
            continue
        members = [repeats for _, _, repeats in cells]
        named = _grid_name([repeats[0].pairing.undrawn for repeats in members])
        for place in places_to_measure(evidence, test.over):
            for side, weights, above in zip(("chosen", "rejected"), slopes, (True, False), strict=True):
                parts = list(zip(members, weights, strict=True))
                how = f"slope of the gain along the {side} side of"
                name = along(how, members, place, pairings=named)
                numbers.append(_number(evidence, name, combined(parts, gain=True), place, above=above))
    return numbers


def _grid_name(pairings: Sequence[Pairing]) -> str:
    """Chosen over rejected generators where all of them meet; else every pairing."""
    chosen, rejected = (dict.fromkeys(getattr(one, side) for one in pairings) for side in ("chosen", "rejected"))
    if len(pairings) == len(chosen) * len(rejected):
        return f"{listed(chosen)} over {listed(rejected)}"
    return listed(pairings)


def _delta_trend(test: DeltaTrend, evidence: Evidence, arms: Sequence[Arm]) -> list[ClaimNumber]:
    trained = dict.fromkeys(arm.pairing.undrawn for arm in arms)
    pairings = [pairing for pairing in trained if _is_dose(evidence, pairing)]
    found = delta_slope(evidence, pairings, test.dimension, given_length=test.given_length)
    over = [test.dimension, *(["length"] if test.given_length else [])]
    if found is None:
        return []
    name = ContrastName(found.title)
    return [ClaimNumber(name, named(found.estimate, name), note=found.note, sums=[found.weights], over=over)]


def _along_generators(evidence: Evidence, arms: Sequence[Arm]) -> list[_Series]:
    """Series of arms along rising generator deltas."""
    series: dict[tuple[str, str, str, str], list[tuple[float, Repeats]]] = {}
    for repeats in families(arms):
        first = repeats[0]
        delta = generator_delta(evidence, first.pairing)
        if delta is not None and _is_dose(evidence, first.pairing):
            key = (first.policy, first.pairing.undrawn.rejected, first.selection, first.recipe)
            series.setdefault(key, []).append((delta, repeats))
    ordered = [sorted(members, key=lambda member: member[0]) for members in series.values()]
    return [_Series([delta for delta, _ in members], [repeats for _, repeats in members]) for members in ordered]


def _is_dose(evidence: Evidence, pairing: Pairing) -> bool:
    """Whether a pairing is a place of trends: of two generators, which differ in their capability alone."""
    return pairing.chosen != pairing.rejected and not evidence.is_confounded(pairing)


def _sides(
    test: Difference | Retains, evidence: Evidence, arms: Sequence[Arm]
) -> list[tuple[list[tuple[Repeats, float]], list[tuple[Repeats, float]]]]:
    """(left, right) per policy and pairing that has both sides: families with equal weights of the sum 1."""
    found = []
    for own in by_pairing(arms):
        k = nearest_k(evidence, own, test.share) if test.share is not None else None
        if test.share is not None and k is None:
            continue
        left, right = (families(matching(own, side, k), merge_draws=True) for side in (test.left, test.right))
        if not left or not right:
            continue
        sides = ([(repeats, 1 / len(side)) for repeats in side] for side in (left, right))
        found.append((next(sides), next(sides)))
    return found


def _number(
    evidence: Evidence,
    name: ContrastName,
    weights: Weights,
    place: Where,
    *,
    above: bool = True,
    note: str = "",
) -> ClaimNumber:
    """The number; it has no value if it is over a sharpened base that the study cannot make."""
    evaluations = place.evaluations
    sharpened = [base for base in weights if isinstance(base, MatchedBase)]
    matches = [match(evidence.scores, base, evaluation) for base in sharpened for evaluation in evaluations]
    obstacle = LEAVES_GRID if any(found and found.outside == "cooler" for found in matches) else ""
    estimate = scaled(evidence.scores.weighted_difference(weights, evaluations), POINTS) if evaluations else NOTHING
    if None in matches:
        obstacle, estimate = NO_MATCH, NOTHING
    if any(evidence.is_confounded(arm.pairing) for arm in weights if isinstance(arm, Arm)):
        note = "; ".join(filter(None, [note, "traces from a data set"]))
    sums, over = [_by_name(weights)], _names(evaluations)
    estimate = named(estimate, name)
    return ClaimNumber(name, estimate, above, seeds_of(weights), note, sums, over, list(weights), obstacle)


def _by_name(weights: ArmWeights) -> dict[str, float]:
    return {str(arm): weight for arm, weight in weights.items()}


def _names(evaluations: Sequence[Evaluation]) -> list[str]:
    return [f"{evaluation.group}/{evaluation.benchmark}" for evaluation in evaluations]
