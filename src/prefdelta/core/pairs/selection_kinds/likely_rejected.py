"""The pairs whose rejected traces a policy finds likely, or unlikely: its own mistakes, or others'."""

from collections.abc import Iterable, Mapping

from prefdelta.core.pairs.selection_kinds.by_value import ByValue
from prefdelta.core.pairs.selection_kinds.selection import Pool
from prefdelta.records.pair import Pair
from prefdelta.records.reference import ReferenceLogps


class _ByLikelihood(ByValue):
    @property
    def draw(self) -> tuple[str, ...]:
        return self.kind, str(self.policy)

    def values(self, pool: Pool) -> Mapping[str, float]:
        return pool.logps


class LikelyRejected(_ByLikelihood):
    FORM = "likely-rejected-<policy>-<k>"
    ABOUT = "the k pairs whose rejected traces an untrained policy finds most likely: are they its own mistakes?"

    def sort_key(self, value: float) -> float:
        return -value


class UnlikelyRejected(_ByLikelihood):
    FORM = "unlikely-rejected-<policy>-<k>"
    ABOUT = "the k pairs whose rejected traces an untrained policy finds least likely"

    def sort_key(self, value: float) -> float:
        return value


def rejected_logps(pairs: Iterable[Pair], reference: Iterable[ReferenceLogps]) -> dict[str, float]:
    """pair_id -> mean log-probability of a token of the rejected trace, in nats, for the pairs whose trace has one.

    reference: the sums of the rejected generator's traces under the policy.
    """
    means = {
        (row.prompt_id, row.sample): row.logps / row.n_tokens
        for row in reference
        if row.logps is not None and row.n_tokens
    }
    return {
        pair.pair_id: mean
        for pair in pairs
        if pair.rejected_sample is not None and (mean := means.get((pair.prompt_id, pair.rejected_sample))) is not None
    }
