"""Pairs outside of the top set that are like it: they show whether a dimension is more than what both share."""

from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.joining import column
from prefdelta.core.pairs.matching import (
    COVARIATE_COLUMNS,
    LENGTH,
    MATCHED_ON,
    covariates,
    match_quality,
    nearest_neighbours,
)
from prefdelta.core.pairs.selection_kinds.selection import Pool
from prefdelta.core.pairs.selection_kinds.top import Top
from prefdelta.records.details.filter import MatchQuality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from prefdelta.core.pairs.selection_kinds.selection import Rows


class Matched(Top):
    FORM = "matched-<length|correctness|difficulty|all>-<dimension>-<k>"
    ABOUT = (
        "k pairs outside of the top k that are like them in difference of length, in correctness of both sides, in "
        "difficulty of the prompt, or in all three: is it just that?"
    )
    CONTROL = MATCHES = True
    NEEDS = COVARIATE_COLUMNS

    def take(self, candidates: "Rows", pool: Pool) -> "Rows":
        """For each of the top k, best first, its match outside of them; equally near pairs are drawn.

        Raises StudyError if fewer than k pairs are outside of the top k, or if what they
        are matched on is not known: the length of each pair, or the correctness of any.
        """
        import numpy as np

        top, others = self._split(candidates, pool)
        if len(others) < len(top):
            raise StudyError(
                f"selection {self.name!r} asks for {self.k} pairs outside of the top {self.k}, but of "
                f"{len(candidates)} eligible and judged pairs only {len(others)} are outside. Lower k, or add prompts."
            )
        known, unit = _covariates(candidates, pool)
        columns = [known[name] for name in MATCHED_ON[str(self.on)]]
        for name, values in zip(MATCHED_ON[str(self.on)], columns, strict=True):
            lacking = np.flatnonzero(np.isnan(values))
            if len(lacking) > (0 if name == LENGTH else len(candidates) - 1):
                what = f"length (in {unit})" if name == LENGTH else name
                (first,) = pool.best(candidates[lacking], self.sort_key(self.values(pool)[candidates[lacking]]), 1)
                raise StudyError(
                    f"selection {self.name!r} needs the {what} of its {len(candidates)} eligible and judged pairs, but "
                    f"{len(lacking)} lack it ({column(pool.pairs, 'pair_id')[int(first)]} first). Make the tables of "
                    "pairs and grades anew, or select by random-<k>-s<seed> instead."
                )
        drawn = pool.drawn(others, "matched", str(self.on), *self.draw, pool.tie_seed, pool.order)
        others = others[drawn.argsort(kind="stable")]
        return others[nearest_neighbours(columns, _within(candidates, top), _within(candidates, others))]

    def quality(self, candidates: "Rows", matched: "Rows", pool: Pool) -> MatchQuality:
        """How alike the top k and the pairs are that `take` gave."""
        known, unit = _covariates(candidates, pool)
        sides = (_within(candidates, rows) for rows in (*self._split(candidates, pool), matched))
        return match_quality(known, unit, MATCHED_ON[str(self.on)], *sides)

    def _split(self, candidates: "Rows", pool: Pool) -> "tuple[Rows, Rows]":
        """The top k, best first, and all others."""
        import numpy as np

        top = super().take(candidates, pool)
        return top, candidates[~np.isin(candidates, top)]


def _within(candidates: "Rows", rows: "Rows") -> "NDArray[np.int64]":
    """Where rows are among the candidates, which are in increasing order."""
    import numpy as np

    return np.searchsorted(candidates, rows)


def _covariates(candidates: "Rows", pool: Pool) -> "tuple[dict[str, NDArray[np.float64]], str]":
    import pyarrow as pa

    return covariates(pool.pairs.take(pa.array(candidates)), pool.pass_rates)
