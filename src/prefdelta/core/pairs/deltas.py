"""Sample deltas: delta_d(pair) = score_d(chosen) - score_d(rejected), per dimension d (paper, "The question")."""

from collections.abc import Iterable, Sequence
from math import lcm
from typing import TYPE_CHECKING

from prefdelta.core.pairs.joining import column, numbers, places, rows_at, sorted_places

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

PAIR_COLUMNS = ["pair_id", "prompt_id", "chosen_sample", "rejected_sample", "eligible"]
JUDGEMENT_COLUMNS = ["prompt_id", "generator", "sample", "dimension", "score_sum", "votes"]
_FAILURES = ("not_eligible", "chosen_unjudged", "rejected_unjudged")
_EXACT = 2**53  # whole numbers below it are floats


def sample_deltas(
    chosen: str, rejected: str, pairs: "pa.Table", judgements: "Iterable[pa.Table]", components: Sequence[str]
) -> "pa.Table":
    """One delta per pair. A score is the mean of the scores of `components`; a plain dimension is its own component.

    Only the result is rounded, so equal deltas are equal floats (4.8 - 4.0 and 4.2 - 3.4 are), whatever numbers of
    votes and components they are means of, and the larger of two deltas is the larger float.
    A pair that is not eligible, or has an unjudged side, has a failure in place of a delta.

    pairs: the columns PAIR_COLUMNS of Pair. judgements: of one form each, the columns JUDGEMENT_COLUMNS of Judgement;
    of several scores of one trace and dimension, the last counts.
    """
    import numpy as np
    import pyarrow as pa

    prompts, place = sorted_places(column(pairs, "prompt_id"))
    sides = {
        side: _Scores(generator, place, numbers(pairs, f"{side}_sample"), components)
        for side, generator in (("chosen", chosen), ("rejected", rejected))
    }
    for table in judgements:
        of_prompt = places(column(table, "prompt_id"), prompts)
        for scores in sides.values():
            scores.take(table, of_prompt)

    # Every score is a whole number of these parts, so that sums and differences are exact.
    parts = lcm(*(number for scores in sides.values() for number in scores.numbers_of_votes)) * len(components)
    left, right = (scores.sums(parts // len(components)) for scores in sides.values())
    eligible = column(pairs, "eligible").to_numpy(zero_copy_only=False)
    unjudged = [(scores.votes == 0).any(axis=0) for scores in sides.values()]
    code = np.select([~eligible, *unjudged], range(len(_FAILURES)), -1)
    return pa.table(
        {
            "pair_id": column(pairs, "pair_id"),
            "chosen_score": _floats(left, parts, unjudged[0]),
            "rejected_score": _floats(right, parts, unjudged[1]),
            "delta": _floats(left - right, parts, code >= 0),
            "failure": pa.array(_FAILURES).take(pa.array(code, mask=code < 0)),
        }
    )


class _Scores:
    """The scores of one side of pairs. Arrays are of components x pairs."""

    def __init__(
        self, generator: str, place: "NDArray[np.int64]", sample: "NDArray[np.int64]", components: Sequence[str]
    ) -> None:
        """place: of a pair's prompt. sample: of the side's trace, -1 for none."""
        import numpy as np

        self._generator, self._place, self._sample, self._components = generator, place, sample, components
        self._sums = np.zeros((len(components), len(place)), np.int64)  # over the votes
        self.votes = np.zeros((len(components), len(place)), np.int64)  # 0: there is no score

    def take(self, table: "pa.Table", of_prompt: "NDArray[np.int64]") -> None:
        """Take the scores from judgements. of_prompt: the place of each one's prompt, -1 if no pair has it."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        own = pc.and_(pc.equal(table.column("generator"), self._generator), pc.is_valid(table.column("score_sum")))
        for number, name in enumerate(self._components):
            rows = np.flatnonzero(pc.and_(own, pc.equal(table.column("dimension"), name)).to_numpy())
            known = table.select(["sample", "score_sum", "votes"]).take(pa.array(rows))
            row = rows_at(self._place, self._sample, of_prompt[rows], numbers(known, "sample"))
            found = row >= 0
            self._sums[number, found] = numbers(known, "score_sum")[row[found]]
            self.votes[number, found] = numbers(known, "votes")[row[found]]

    @property
    def numbers_of_votes(self) -> list[int]:
        """The different numbers of votes that scores are means of."""
        import numpy as np

        found: list[int] = np.unique(self.votes[self.votes > 0]).tolist()
        return found

    def sums(self, parts: int) -> "NDArray[np.int64]":
        """For each pair the sum of the components' scores, in this part of a score point; 0s for unknown scores."""
        import numpy as np

        kind = np.int64 if parts * (1 + int(self._sums.max(initial=0))) * len(self._sums) < _EXACT else object
        weights = parts // np.maximum(self.votes, 1).astype(kind)
        sums: NDArray[np.int64] = (self._sums * weights).sum(axis=0)
        return sums


def _floats(sums: "NDArray[np.int64]", parts: int, missing: "NDArray[np.bool_]") -> "pa.Array":
    """The nearest floats of sums of parts."""
    import pyarrow as pa

    return pa.array((sums / parts).astype(float), mask=missing)
