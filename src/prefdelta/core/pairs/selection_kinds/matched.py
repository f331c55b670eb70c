"""Pairs outside of the top set that are like it: they show whether a dimension is more than what both share."""

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import fraction
from prefdelta.core.pairs.matching import LENGTH, MATCHED_ON, Covariates, covariates, match_quality, nearest_neighbours
from prefdelta.core.pairs.selection_kinds.selection import Pool
from prefdelta.core.pairs.selection_kinds.top import Top
from prefdelta.records.details.filter import MatchQuality


class Matched(Top):
    FORM = "matched-<length|correctness|difficulty|all>-<dimension>-<k>"
    ABOUT = (
        "k pairs outside of the top k that are like them in difference of length, in correctness of both sides, in "
        "difficulty of the prompt, or in all three: is it just that?"
    )
    CONTROL = MATCHES = True

    def take(self, candidates: list[str], pool: Pool) -> list[str]:
        """For each of the top k, best first, its match outside of them; equally near pairs are drawn.

        Raises StudyError if fewer than k pairs are outside of the top k, or if what they
        are matched on is not known: the length of each pair, or the correctness of any.
        """
        top, others = self._split(candidates)
        if len(others) < len(top):
            raise StudyError(
                f"selection {self.name!r} asks for {self.k} pairs outside of the top {self.k}, but of "
                f"{len(candidates)} eligible and judged pairs only {len(others)} are outside. Lower k, or add prompts."
            )
        known, unit = _covariates(candidates, pool)
        columns = {name: known[name] for name in MATCHED_ON[str(self.on)]}
        for name, column in columns.items():
            lacking = [pair_id for pair_id in candidates if pair_id not in column]
            if len(lacking) > (0 if name == LENGTH else len(candidates) - 1):
                what = f"length (in {unit})" if name == LENGTH else name
                raise StudyError(
                    f"selection {self.name!r} needs the {what} of its {len(candidates)} eligible and judged pairs, but "
                    f"{len(lacking)} lack it ({lacking[0]} first). Make the tables of pairs and grades anew, or select "
                    "by random-<k>-s<seed> instead."
                )
        draw = ("matched", str(self.on), *self.draw, pool.tie_seed, pool.order)
        others.sort(key=lambda pair_id: fraction(*draw, pair_id))
        return nearest_neighbours(list(columns.values()), top, others)

    def quality(self, candidates: list[str], matched: list[str], pool: Pool) -> MatchQuality:
        """How alike the top k and the pairs are that `take` gave."""
        known, unit = _covariates(candidates, pool)
        top, others = self._split(candidates)
        return match_quality(known, unit, MATCHED_ON[str(self.on)], top, matched, others)

    def _split(self, candidates: list[str]) -> tuple[list[str], list[str]]:
        """The top k, and all others."""
        return candidates[: self.k], candidates[self.k :]


def _covariates(candidates: list[str], pool: Pool) -> tuple[Covariates, str]:
    return covariates([pool.eligible[pair_id] for pair_id in candidates], pool.pass_rates)
