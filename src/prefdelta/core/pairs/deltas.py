"""Sample deltas: delta_d(pair) = score_d(chosen) - score_d(rejected), per dimension d (paper, "The question")."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from prefdelta.records.delta import Delta
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair


def sample_deltas(
    chosen: str, rejected: str, pairs: Iterable[Pair], judgements: Iterable[Judgement], components: Sequence[str]
) -> list[Delta]:
    """One delta per pair. A score is the mean of the scores of `components`; a plain dimension is its own component.

    Only the result is rounded, so equal deltas are equal floats (4.8 - 4.0 and 4.2 - 3.4 are), whatever numbers of
    votes and components they are means of, and the larger of two deltas is the larger float.
    A pair that is not eligible, or has an unjudged side, has a failure in place of a delta.
    """
    scores = {
        (row.generator, row.prompt_id, row.sample, row.dimension): mean
        for row in judgements
        if row.dimension in components and (mean := row.score) is not None
    }

    def score(generator: str, prompt_id: str, sample: int | None) -> Fraction | None:
        parts = [scores.get((generator, prompt_id, sample, name)) for name in components if sample is not None]
        known = [value for value in parts if value is not None]
        return sum(known, Fraction(0)) / len(known) if len(known) == len(components) else None

    deltas = []
    for pair in pairs:
        left = score(chosen, pair.prompt_id, pair.chosen_sample)
        right = score(rejected, pair.prompt_id, pair.rejected_sample)
        failure = None
        if not pair.eligible:
            failure = "not_eligible"
        elif left is None or right is None:
            failure = "chosen_unjudged" if left is None else "rejected_unjudged"
        delta = left - right if failure is None and left is not None and right is not None else None
        deltas.append(Delta(pair.pair_id, _float(left), _float(right), _float(delta), failure))
    return deltas


def _float(value: Fraction | None) -> float | None:
    """The nearest float."""
    return None if value is None else float(value)
