"""Deltas and selections under another judging, and deltas held against correctness.

A pairing has one pair per prompt, so its pairs are independent, and intervals are over pairs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Arm, Pairing
from prefdelta.core.asking.judges import at_judge, judge_in, without_judge
from prefdelta.core.judging import reliability
from prefdelta.core.judging.intervals import of_means
from prefdelta.core.pairs.overlap import overlap_between, top_chances
from prefdelta.core.pairs.selection_kinds.by_delta import ByDelta
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.arms import selection_of
from prefdelta.reporting.numbers.deltas import Pairings

MORE_VOTES = 3  # the reliability of means of so many times as many verdicts is stated, too
_RANKED = ("top", "bottom")  # kinds of selections that take the best deltas and nothing else


@dataclass(frozen=True, slots=True)
class DeltaReliability:
    """The deltas of one pairing and dimension by the study's judge, and by another judging."""

    pairing: Pairing
    dimension: str
    judge: str  # the other one
    correlation: Estimate  # n: pairs that both judged
    slope: Estimate  # of the other judging's deltas on the study's: their reliability, if both are on one scale
    more_votes: float | None  # the reliability of MORE_VOTES times as many verdicts, by the slope


@dataclass(frozen=True, slots=True)
class SetReliability:
    """The pairs of a selection by delta, under another judging than the one that selected them."""

    pairing: Pairing
    selection: str
    judge: str | None  # the other one; None: the study's own
    taken: int  # how many of the pairs that both judged are in the compared sets: the same share as in the selection
    not_taken: Estimate  # share (0 to 1) of them that the other judging would not have selected. n: judged by both
    jaccard: Estimate  # of the two sets
    chance: Estimate  # Jaccard of sets by unrelated deltas with the same ties, with the range of 95% of them
    judged: Estimate  # mean delta of the selection by the judging that selected it, score points
    corrected: Estimate  # the same corrected for selection
    again: Estimate  # mean delta of its pairs by the other judging, of those that it judged


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether deltas go with correctness: correlations over the pairs of one pairing, on one dimension."""

    pairing: Pairing
    dimension: str
    plain: Estimate  # of the delta with the difference in correctness (1, 0, -1)
    given_length: Estimate  # the same given the difference in length


@dataclass(frozen=True, slots=True)
class Reliability:
    deltas: Sequence[DeltaReliability]
    sets: Sequence[SetReliability]
    validity: Sequence[Validity]


def judge_reliability(pairings: Pairings, dimensions: Sequence[str], arms: Iterable[Arm]) -> Reliability:
    """dimensions: with composites, in order. arms: all trained ones; their selections by delta are looked at."""
    keys = list(dict.fromkeys((line.pairing, line.dimension) for line in pairings.lines()))
    others = [
        (pairing, dimension, judge)
        for pairing, dimension in keys
        for judge in pairings.judges(pairing, dimension)
        if judge is not None and dimension in dimensions
    ]
    deltas = [_delta_line(pairings, *other) for other in others]
    sets = []
    for pairing, name in dict.fromkeys((arm.pairing, arm.selection) for arm in arms if _is_ranked(arm)):
        sets += _set_lines(pairings, pairing, name)
    validity = [line for key in keys if (line := _validity(pairings, *key)) is not None]
    return Reliability(deltas, sets, validity)


def _is_ranked(arm: Arm) -> bool:
    selection = selection_of(arm)
    return isinstance(selection, ByDelta) and selection.kind in _RANKED and selection.k is not None


def _delta_line(pairings: Pairings, pairing: Pairing, dimension: str, judge: str) -> DeltaReliability:
    first, second = (pairings.by_prompt(pairing, name) for name in (dimension, at_judge(dimension, judge)))
    columns = reliability.two_judgings(first, second)
    slope = of_means(columns, reliability.slope, "plain")
    more = None if slope.value is None or slope.value <= 0 else reliability.with_votes(slope.value, MORE_VOTES)
    correlation = of_means(columns, reliability.correlation, "correlation")
    return DeltaReliability(pairing, dimension, judge, correlation, slope, more)


def _set_lines(pairings: Pairings, pairing: Pairing, name: str) -> list[SetReliability]:
    selection = selection_of(Arm("", pairing, name, "", 0))
    assert isinstance(selection, ByDelta)
    assert selection.dimension is not None
    assert selection.k is not None
    own, dimension = judge_in(selection.dimension), without_judge(selection.dimension)
    first = pairings.by_prompt(pairing, selection.dimension)
    if len(first) < selection.k:
        return []
    # The best deltas are the largest of these.
    ranks = {prompt: -selection.sort_key(delta) for prompt, delta in first.items()}
    lines = []
    for judge in pairings.judges(pairing, dimension):
        if judge == own:
            continue
        second = pairings.by_prompt(pairing, at_judge(dimension, judge))
        both = first.keys() & second.keys()
        taken = round(selection.k * len(both) / len(first))
        if not taken:
            continue
        ranked = {prompt: ranks[prompt] for prompt in both}
        others = {prompt: -selection.sort_key(second[prompt]) for prompt in both}
        overlap = overlap_between(taken, (selection.dimension, ranked), (at_judge(dimension, judge), others))
        sets = reliability.two_sets(top_chances(name, ranked, taken), top_chances(name, others, taken))
        columns = reliability.selected_set(first, second, top_chances(name, ranks, selection.k))
        lines.append(
            SetReliability(
                pairing=pairing,
                selection=name,
                judge=judge,
                taken=taken,
                not_taken=of_means(sets, reliability.not_taken, "share"),
                jaccard=of_means(sets, reliability.jaccard, "share"),
                chance=_as_jaccard(overlap.chance),
                judged=of_means(columns, reliability.judged_mean, "plain"),
                corrected=of_means(columns, reliability.corrected_mean, "plain"),
                again=of_means(columns, reliability.mean_judged_again, "plain"),
            )
        )
    return lines


def _as_jaccard(share: Estimate) -> Estimate:
    """The Jaccard index of two sets of one size, of which this share is common."""
    value, low, high = (None if part is None else part / (2 - part) for part in (share.value, share.low, share.high))
    return Estimate(value, low, high, share.n)


def _validity(pairings: Pairings, pairing: Pairing, dimension: str) -> Validity | None:
    deltas, correct = pairings.by_prompt(pairing, dimension), pairings.correctness_by_prompt(pairing)
    lengths: Mapping[str, float] = pairings.lengths_by_prompt(pairing)
    nothing = dict.fromkeys(lengths, 0.0)
    plain, given = (
        of_means(reliability.three_variables(deltas, correct, third), reliability.partial_correlation, "correlation")
        for third in (nothing, lengths)
    )
    return None if plain.value is None else Validity(pairing, dimension, plain, given)
