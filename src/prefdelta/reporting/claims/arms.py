"""The arms and the benchmarks of a claim's test."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.paper_claims import Against, ArmPatterns, Over
from prefdelta.reporting.arms import Repeats, families, seed_names, selection_of
from prefdelta.reporting.contrasts import Where, where
from prefdelta.reporting.evidence import AnsweredBenchmarks, Evidence
from prefdelta.reporting.numbers.gains import mean_weights
from prefdelta.reporting.numbers.sharpening import base_at_entropy
from prefdelta.reporting.panels import panel_place, panels

Weights = dict[Arm | Base, float]


def places_to_measure(evidence: AnsweredBenchmarks, over: Over) -> list[Where]:
    """Benchmarks that are averaged; each benchmark has equal weight."""
    if over == "panels":
        return [panel_place(evidence, panel) for panel in panels(evidence)]
    primary = evidence.scores.evaluations(primary=True)
    if over == "all":
        return [where(evidence, "all benchmarks", primary)] if primary else []
    inside = over == "in_domain"
    evaluations = [
        evaluation for evaluation in primary if evidence.benchmarks[evaluation.benchmark].in_domain is inside
    ]
    return [where(evidence, f"{'in' if inside else 'out of'} domain", evaluations)] if evaluations else []


def matching(arms: Sequence[Arm], patterns: ArmPatterns, k: int | None = None) -> list[Arm]:
    """The arms that match one pattern of each list. None, unless every pattern of selections has some of them.

    k: the value of {k}.
    """
    selections = [pattern.replace("{k}", str(k)) for pattern in patterns.selections]
    matched = [
        arm
        for arm in arms
        if any(fnmatchcase(arm.selection, pattern) for pattern in selections)
        and any(fnmatchcase(arm.recipe, pattern) for pattern in patterns.recipes)
    ]
    complete = all(any(fnmatchcase(arm.selection, pattern) for arm in matched) for pattern in selections)
    return matched if complete else []


def by_pairing(arms: Sequence[Arm]) -> list[list[Arm]]:
    """The arms of one pairing and policy each, in order of first appearance."""
    groups: dict[tuple[str, Pairing], list[Arm]] = {}
    for arm in arms:
        groups.setdefault((arm.policy, arm.pairing.undrawn), []).append(arm)
    return list(groups.values())


def by_size(arms: Sequence[Arm]) -> dict[str, dict[int, Repeats]]:
    """Selection without its size -> size -> repeats. Selections without a size are left out."""
    sizes: dict[str, dict[int, Repeats]] = {}
    for repeats in families(arms):
        if (k := selection_of(repeats[0]).k) is not None:
            sizes.setdefault(repeats[0].selection.removesuffix(f"-{k}"), {})[k] = repeats
    return sizes


def nearest_k(evidence: Evidence, arms: Sequence[Arm], share: float) -> int | None:
    """The size of a top selection, among the arms of one pairing, that is nearest to a share of all its pairs."""
    selections = [selection_of(arm) for arm in arms]
    sizes = sorted({selection.k for selection in selections if selection.k is not None and selection.kind == "top"})
    target = share * evidence.pairings.eligible(arms[0].pairing)
    return min(sizes, key=lambda k: abs(k - target)) if sizes else None


def generator_delta(evidence: Evidence, pairing: Pairing) -> float | None:
    """The generator delta of a pairing in any draw, in units of 10 points; None without grades."""
    gap = evidence.grades.gap(pairing.undrawn)
    return None if gap is None or gap.value is None else 10 * gap.value


def capability(evidence: Evidence, repeats: Repeats, side: Literal["chosen", "rejected"]) -> float | None:
    """The accuracy of the generator on one side, in units of 10 points, mean over repeats; None without grades."""
    found = [evidence.grades.accuracy(getattr(arm.pairing, side)) for arm in repeats]
    known = [accuracy.value for accuracy in found if accuracy is not None and accuracy.value is not None]
    return 10 * sum(known) / len(known) if len(known) == len(repeats) else None


def seeds_of(weights: Iterable[Arm | Base]) -> list[str]:
    """All training seeds of some arms, with their draws of traces."""
    return seed_names(arm for arm in weights if isinstance(arm, Arm))


def combined(parts: Sequence[tuple[Repeats, float]], *, gain: bool = False, against: Against = "base") -> Weights:
    """The weights of a weighted sum of families' mean accuracies; gain: of their gains over what they are held against.

    Sharpened bases are always subtracted: each family has its own.
    """
    total: Weights = {}
    for repeats, weight in parts:
        for arm, share in mean_weights(repeats).items():
            total[arm] = total.get(arm, 0.0) + weight * share
        if against == "sharpened" or gain:
            base = base_at_entropy(repeats) if against == "sharpened" else repeats[0].base
            total[base] = total.get(base, 0.0) - weight
    return {arm: weight for arm, weight in total.items() if abs(weight) > 1e-12}
