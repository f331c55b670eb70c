"""People's scores as judgements of traces, so that deltas are made of them as of the judge's."""

from collections.abc import Collection, Iterable

from prefdelta.records.annotation import Annotation
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair


def people_judgements(
    chosen: str, rejected: str, pairs: Collection[Pair], annotations: Iterable[Annotation]
) -> list[Judgement]:
    """One judgement per scored trace and dimension, with a vote for each person, of all sheets.

    Annotations of other pairs are left out, since a sheet may be of another pairing, and so are those of other texts:
    the traces of a pair may have been drawn anew since people read them.
    """
    texts = {pair.pair_id: pair.texts for pair in pairs}
    sides = {
        pair.pair_id: ((chosen, pair.prompt_id, pair.chosen_sample), (rejected, pair.prompt_id, pair.rejected_sample))
        for pair in pairs
    }
    scores: dict[tuple[str, str, int, str], list[int]] = {}
    for row in annotations:
        if row.texts != texts.get(row.pair_id):
            continue
        for (generator, prompt_id, sample), score in zip(
            sides.get(row.pair_id, ()), (row.chosen_score, row.rejected_score), strict=False
        ):
            if sample is not None:
                scores.setdefault((generator, prompt_id, sample, row.dimension), []).append(score)
    return [
        Judgement(prompt_id, generator, sample, dimension, sum(votes), len(votes), 0, [], None)
        for (generator, prompt_id, sample, dimension), votes in scores.items()
    ]
