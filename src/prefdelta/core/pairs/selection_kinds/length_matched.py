"""Random pairs with the length differences of the top pairs: they show whether a dimension is more than length."""

from bisect import bisect_right
from collections import Counter
from statistics import quantiles

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import fraction
from prefdelta.core.pairs.lengths import length_differences
from prefdelta.core.pairs.selection_kinds.selection import Pool
from prefdelta.core.pairs.selection_kinds.top import Top

STRATA = 10  # of length differences, with equally many eligible pairs each


class LengthMatched(Top):
    FORM = "length-matched-<dimension>-<k>"
    ABOUT = "k random pairs with the length differences of the top k: is it just length?"
    CONTROL = True

    def take(self, candidates: list[str], pool: Pool) -> list[str]:
        """Random pairs: from every stratum of length differences (chosen minus rejected) as many as the top k has.

        Lengths are counted in tokens, or in characters if a trace has no token count. Raises StudyError if a pair has
        neither.
        """
        differences, unit = length_differences(pool.eligible[pair_id] for pair_id in candidates)
        if lacking := [pair_id for pair_id in candidates if pair_id not in differences]:
            raise StudyError(
                f"length-matched needs the lengths of both traces of all {len(candidates)} eligible and judged pairs, "
                f"but {len(lacking)} lack them in {unit} ({lacking[0]} first). Make the table of pairs anew, or select "
                "by random-<k>-s<seed> instead."
            )
        ends = quantiles(differences.values(), n=STRATA) if len(differences) > 1 else []
        stratum = {pair_id: bisect_right(ends, difference) for pair_id, difference in differences.items()}
        wanted = Counter(stratum[pair_id] for pair_id in super().take(candidates, pool))
        drawn, draw = [], ("length-matched", pool.dimension, pool.tie_seed, pool.order)
        for pair_id in sorted(stratum, key=lambda pair_id: fraction(*draw, pair_id)):
            if wanted[stratum[pair_id]] > 0:
                wanted[stratum[pair_id]] -= 1
                drawn.append(pair_id)
        return drawn
