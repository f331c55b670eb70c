"""The pairs whose rejected traces a policy finds likely, or unlikely: its own mistakes, or others'."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prefdelta.core.pairs.joining import column
from prefdelta.core.pairs.selection_kinds.by_value import ByValue, Values
from prefdelta.core.pairs.selection_kinds.selection import Pool
from prefdelta.records.reference import ReferenceLogps

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class _ByLikelihood(ByValue):
    NEEDS = ("prompt_id", "rejected_sample")

    @property
    def draw(self) -> tuple[str, ...]:
        return self.kind, str(self.policy)

    def values(self, pool: Pool) -> "NDArray[np.float64]":
        import numpy as np

        return np.array([pool.logps.get(pair_id, np.nan) for pair_id in column(pool.pairs, "pair_id").to_pylist()])


class LikelyRejected(_ByLikelihood):
    FORM = "likely-rejected-<policy>-<k>"
    ABOUT = "the k pairs whose rejected traces an untrained policy finds most likely: are they its own mistakes?"

    def sort_key(self, value: "Values") -> "Values":
        return -value


class UnlikelyRejected(_ByLikelihood):
    FORM = "unlikely-rejected-<policy>-<k>"
    ABOUT = "the k pairs whose rejected traces an untrained policy finds least likely"

    def sort_key(self, value: "Values") -> "Values":
        return value


def rejected_logps(pairs: "pa.Table", reference: Iterable[ReferenceLogps]) -> dict[str, float]:
    """pair_id -> mean log-probability of a token of the rejected trace, in nats, for the pairs whose trace has one.

    pairs: pair_id, prompt_id and rejected_sample. reference: the sums of the rejected generator's traces under the
    policy.
    """
    means = {
        (row.prompt_id, row.sample): row.logps / row.n_tokens
        for row in reference
        if row.logps is not None and row.n_tokens
    }
    keys = zip(*(pairs.column(name).to_pylist() for name in ("pair_id", "prompt_id", "rejected_sample")), strict=True)
    return {pair_id: means[trace] for pair_id, *of_trace in keys if (trace := tuple(of_trace)) in means}
