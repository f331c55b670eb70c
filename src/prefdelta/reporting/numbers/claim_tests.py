"""The kinds of tests that claims name: each turns arms into a few numbers with intervals, paired by item."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from prefdelta.core.paper_claims import (
    Arms,
    Bend,
    DeltaTrend,
    Difference,
    Direction,
    Gains,
    Over,
    Steadiness,
    Test,
    Trend,
)
from prefdelta.core.statistics import NOTHING, Estimate
from prefdelta.reporting.arms import Arm, families, short_labels
from prefdelta.reporting.content import Content
from prefdelta.reporting.formats import signed
from prefdelta.reporting.numbers.accuracies import Cell
from prefdelta.reporting.numbers.bootstrap import scaled
from prefdelta.reporting.numbers.gains import Repeats
from prefdelta.reporting.panels import panels

if TYPE_CHECKING:
    import numpy as np

_POINTS = 100.0
_PER_TEN = 10.0
Weights = Mapping[str, float]  # of arms and bases, by name


@dataclass(frozen=True, slots=True)
class Measured:
    """A number that a claim gives a sign."""

    what: str  # which arms, over which benchmarks
    estimate: Estimate  # in the unit of its test
    direction: Direction
    seeds: Sequence[int] = ()  # of training; none: no arms are involved
    by_seed: Mapping[int, float] = field(default_factory=dict)  # the number from one seed alone; empty if there is one
    margin: float = 0.0
    unshared: Sequence[int] = ()  # seeds that some of the arms lack: there is no number from one of these alone


def words(test: Test) -> str:
    """What it takes to support the claim, with the unit."""
    match test:
        case Difference(margin=margin) if margin:
            return f"points, > −{margin:g}"
        case Trend() | Bend():
            unit = "points per 10 points of generator-level delta"
        case DeltaTrend():
            unit = "score points per 10 points of generator-level delta"
        case _:
            unit = "points"
    down = isinstance(test, Steadiness) or getattr(test, "direction", "up") == "down"
    return f"{unit}, {'<' if down else '>'} 0"


def measure(test: Test, content: Content) -> list[Measured]:
    """The numbers of a test; none if the study has not the arms for it."""
    experiments = [content.experiments[name] for name in test.experiments if name in content.experiments]
    arms = list(dict.fromkeys(arm for experiment in experiments for arm in experiment.arms))
    match test:
        case Trend():
            return _trend(test, content, arms, slope)
        case Bend():
            return _trend(test, content, arms, bend)
        case Gains():
            return _gains(test, content, arms)
        case Difference():
            return _difference(test, content, arms)
        case Steadiness():
            return _steadiness(test, content, arms)
        case DeltaTrend():
            return _delta_trend(test, content, arms)


def slope(x: Sequence[float]) -> list[float] | None:
    """Weights whose sum over y is the least-squares slope of y on x; None for fewer than three places or one x."""
    mean = sum(x) / len(x) if x else 0.0
    spread = sum((one - mean) ** 2 for one in x)
    return [(one - mean) / spread for one in x] if len(x) > 2 and spread > 0 else None


def bend(x: Sequence[float]) -> list[float] | None:
    """The slope over the upper half of rising x minus that over the lower half, which share what is in the middle."""
    half = len(x) // 2 + 1
    lower, upper = _line(x[:half]), _line(x[-half:])
    if len(x) < 3 or lower is None or upper is None:
        return None
    weights = [0.0] * len(x)
    for at, weight in enumerate(lower):
        weights[at] -= weight
    for at, weight in enumerate(upper, len(x) - half):
        weights[at] += weight
    return weights


def _line(x: Sequence[float]) -> list[float] | None:
    """As `slope`, and through two places."""
    if len(x) == 2 and x[0] != x[1]:
        return [1 / (x[0] - x[1]), 1 / (x[1] - x[0])]
    return slope(x)


def _trend(
    test: Trend | Bend,
    content: Content,
    arms: Sequence[Arm],
    weights_of: Callable[[Sequence[float]], list[float] | None],
) -> list[Measured]:
    """One number per series of arms that differ in their pairing only, and per group of benchmarks.

    Generators whose traces a data set ships are left out: they differ in more than their capability.
    """
    series: dict[tuple[str, str, str], list[Repeats]] = {}
    for repeats in families(arm for arm in arms if not content.is_confounded(arm.pairing)):
        first = repeats[0]
        series.setdefault((first.policy, first.selection, first.recipe), []).append(repeats)
    found = []
    for members in series.values():
        placed = sorted(_placed(content, members), key=lambda item: item[0])
        weights = weights_of([_POINTS / _PER_TEN * x for x, _ in placed])
        if weights is None:
            continue
        chosen = [repeats for _, repeats in placed]
        along = ", ".join(repeats[0].chosen for repeats in chosen)
        for title, cells in _where(content, test.over):
            what = f"{title}: {along}"
            found.append(_contrast(content, what, list(zip(chosen, weights, strict=True)), cells, test.direction))
    return found


def _placed(content: Content, members: Sequence[Repeats]) -> list[tuple[float, Repeats]]:
    """With the generator-level delta of their pairing; those that have none are left out."""
    found = []
    for repeats in members:
        gap = content.grades.gap(repeats[0].pairing)
        if gap is not None and gap.value is not None:
            found.append((gap.value, repeats))
    return found


def _gains(test: Gains, content: Content, arms: Sequence[Arm]) -> list[Measured]:
    members = families(_matching(arms, test.arms, None))
    found = []
    for title, cells in _where(content, test.over):
        for label, repeats in zip(short_labels(members), members, strict=True):
            base = {repeats[0].base: -1.0}
            found.append(_contrast(content, f"{title}: {label}", [(repeats, 1.0)], cells, test.direction, base))
    return found


def _difference(test: Difference, content: Content, arms: Sequence[Arm]) -> list[Measured]:
    """For every policy and pairing; random draws of one size are repeats, and selections have equal weights."""
    found = []
    for named, own in _by_pairing(arms).items():
        k = _nearest_k(content, own, test.share) if test.share is not None else None
        if test.share is not None and k is None:
            continue
        left, right = (families(_matching(own, side, k), merge_draws=True) for side in (test.left, test.right))
        if not left or not right:
            continue
        weighted = [(repeats, 1 / len(left)) for repeats in left] + [(repeats, -1 / len(right)) for repeats in right]
        told = f"{named}, k = {k:,}" if k is not None else named
        if content.is_confounded(own[0].pairing):
            told += " (traces from a data set)"
        for title, cells in _where(content, test.over):
            found.append(_contrast(content, f"{title}: {told}", weighted, cells, "up", margin=test.margin))
    return found


def _steadiness(test: Steadiness, content: Content, arms: Sequence[Arm]) -> list[Measured]:
    """The spread over the sizes that all its dimensions have: with fewer than three there is none to speak of."""
    found = []
    for named, own in _by_pairing(arms).items():
        left, right = (_by_dimension(_matching(own, side, None)) for side in (test.left, test.right))
        sides = [*left.values(), *right.values()]
        ks = sorted(set.intersection(*(set(side) for side in sides))) if left and right else []
        if len(ks) < 3:
            continue
        sums = [_equal(side[k]) for side in sides for k in ks]
        shape = (len(sides), len(ks))

        def spread(means: "np.ndarray[Any, Any]", shape: tuple[int, int] = shape, n: int = len(left)) -> Any:
            by_side = means.reshape(*means.shape[:-1], *shape).std(axis=-1, ddof=1)
            return by_side[..., :n].mean(axis=-1) - by_side[..., n:].mean(axis=-1)

        seeds, unshared = _seeds([side[k] for side in sides for k in ks])
        told = f"{named}, k = {', '.join(f'{k:,}' for k in ks)}"
        for title, cells in _where(content, test.over):
            estimate = content.scores.of_accuracies(sums, cells, spread, "steadiness")
            what, points = f"{title}: {told}", scaled(estimate, _POINTS)
            found.append(Measured(what, points, "down", seeds, unshared=unshared))
    return found


def _delta_trend(test: DeltaTrend, content: Content, arms: Sequence[Arm]) -> list[Measured]:
    """Over the prompts that all the pairings have, drawn together."""
    placed = []
    for pairing in dict.fromkeys(arm.pairing for arm in arms):
        gap = content.grades.gap(pairing)
        deltas = content.pairings.by_prompt(pairing, test.dimension)
        if gap is not None and gap.value is not None and deltas and not content.is_confounded(pairing):
            placed.append((gap.value, pairing, deltas))
    placed.sort(key=lambda item: item[0])
    weights = slope([_POINTS / _PER_TEN * gap for gap, _, _ in placed])
    if weights is None:
        return []
    prompts = sorted(set.intersection(*(set(deltas) for _, _, deltas in placed)))
    values = [
        round(sum(weight * deltas[prompt] for weight, (_, _, deltas) in zip(weights, placed, strict=True)), 12)
        for prompt in prompts
    ]
    means = [sum(deltas[prompt] for prompt in prompts) / len(prompts) if prompts else None for _, _, deltas in placed]
    ends = f"{placed[0][1]} {signed(means[0])} to {placed[-1][1]} {signed(means[-1])}"
    estimate = content.pairings.estimate(values, "delta trend", test.dimension, [pairing for _, pairing, _ in placed])
    return [Measured(f"{test.dimension}, on the prompts of all pairings: {ends}", estimate, test.direction)]


def _contrast(
    content: Content,
    what: str,
    weighted: Sequence[tuple[Repeats, float]],
    cells: Sequence[Cell],
    direction: Direction,
    base: Weights | None = None,
    margin: float = 0.0,
) -> Measured:
    """A weighted sum of families; and again from each training seed that all of them have."""

    def estimate(members: Sequence[tuple[Repeats, float]]) -> Estimate:
        total: dict[str, float] = dict(base or {})
        for repeats, weight in members:
            for name, share in _equal(repeats).items():
                total[name] = total.get(name, 0.0) + weight * share
        return scaled(content.scores.contrast(total, cells), _POINTS) if cells else NOTHING

    seeds, unshared = _seeds([repeats for repeats, _ in weighted])
    by_seed = {}
    for seed in seeds if len(seeds) > 1 else []:
        alone = [(tuple(arm for arm in repeats if arm.seed == seed), weight) for repeats, weight in weighted]
        value = estimate(alone).value if all(repeats for repeats, _ in alone) else None
        if value is not None:
            by_seed[seed] = value
    if len(by_seed) < 2:
        by_seed = {}
    return Measured(what, estimate(weighted), direction, seeds, by_seed, margin, unshared)


def _seeds(members: Sequence[Repeats]) -> tuple[list[int], list[int]]:
    """All training seeds of some families, and those of them that a family lacks."""
    sets = [{arm.seed for arm in repeats} for repeats in members]
    every = set[int]().union(*sets)
    return sorted(every), sorted(every - every.intersection(*sets))


def _where(content: Content, over: Over) -> list[tuple[str, Sequence[Cell]]]:
    """Groups of benchmarks with their titles; in a group each benchmark has equal weight."""
    if over == "panels":
        return [(panel.title, panel.cells) for panel in panels(content)]
    inside = over == "in_domain"
    cells = [
        cell for cell in content.scores.cells(primary=True) if content.benchmarks[cell.benchmark].in_domain is inside
    ]
    return [(f"{'In' if inside else 'Out of'} domain", cells)] if cells else []


def _matching(arms: Sequence[Arm], wanted: Arms, k: int | None) -> list[Arm]:
    selections = [pattern.replace("{k}", str(k)) for pattern in wanted.selections]
    return [
        arm
        for arm in arms
        if any(fnmatchcase(arm.selection, pattern) for pattern in selections)
        and any(fnmatchcase(arm.recipe, pattern) for pattern in wanted.recipes)
    ]


def _by_pairing(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    several = len({arm.policy for arm in arms}) > 1
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        found.setdefault(f"{arm.policy} · {arm.pairing}" if several else arm.pairing, []).append(arm)
    return found


def _by_dimension(arms: Sequence[Arm]) -> dict[str, dict[int, Repeats]]:
    """Selection without its size -> size -> repeats."""
    found: dict[str, dict[int, Repeats]] = {}
    for repeats in families(arms):
        if (k := repeats[0].k) is not None:
            found.setdefault(repeats[0].selection.removesuffix(f"-{k}"), {})[k] = repeats
    return found


def _nearest_k(content: Content, arms: Sequence[Arm], share: float) -> int | None:
    """The size among the arms' selections that is nearest to a share of all pairs."""
    sizes = sorted({arm.k for arm in arms if arm.k is not None and arm.kind == "top"})
    wanted = share * content.pairings.eligible(arms[0].pairing)
    return min(sizes, key=lambda k: abs(k - wanted)) if sizes else None


def _equal(repeats: Repeats) -> dict[str, float]:
    return dict.fromkeys((arm.name for arm in repeats), 1 / len(repeats))
