"""Pairs of one kind of correctness whose traces are equally long: what neither correctness nor length can teach."""

from abc import abstractmethod
from collections import deque
from statistics import pstdev
from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.joining import numbers
from prefdelta.core.pairs.lengths import LENGTH_COLUMNS, length_column
from prefdelta.core.pairs.matching import CALIPER
from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from prefdelta.core.pairs.selection_kinds.selection import Rows


class _EquallyLong(Selection):
    """A kind that takes k of the pairs that it wants: chosen and rejected traces are equally long on the whole."""

    CONTROL = True
    NEEDS = (*LENGTH_COLUMNS, "chosen_correct", "rejected_correct")

    @abstractmethod
    def wants(self, chosen: "NDArray[np.int64]", rejected: "NDArray[np.int64]") -> "NDArray[np.bool_]":
        """Whether pairs have the correctness of the kind. Each side of a pair is right (1) or wrong (0)."""

    def candidates(self, pool: Pool) -> "Rows":
        """The wanted pairs. Raises StudyError if no pair has lengths and grades."""
        import numpy as np

        right = [numbers(pool.pairs, f"{side}_correct")[pool.eligible] for side in ("chosen", "rejected")]
        differences, _ = _lengths(pool)
        known = ~np.isnan(differences[pool.eligible]) & (right[0] >= 0) & (right[1] >= 0)
        if len(known) and not known.any():
            raise StudyError(
                f"selection {self.name!r} needs the lengths and the correctness of both sides of a pair, and none of "
                f"the {len(known)} eligible pairs has them. Make the tables of pairs and grades anew."
            )
        return pool.eligible[known & self.wants(*right)]

    def take(self, candidates: "Rows", pool: Pool) -> "Rows":
        """Pairs that differ less in length come first, in turns that keep the sum of the differences near 0."""
        import numpy as np

        differences = _lengths(pool)[0][candidates]
        order = np.lexsort((pool.ties(candidates), abs(differences))).tolist()
        longer = deque((rank, at) for rank, at in enumerate(order) if differences[at] > 0)
        shorter = deque((rank, at) for rank, at in enumerate(order) if differences[at] <= 0)
        taken, total = list[int](), 0.0
        while len(taken) < (self.k or 0):
            sides = [side for side in (longer, shorter) if side]
            if total and len(sides) == 2:
                sides = [shorter if total > 0 else longer]
            _, at = min(sides, key=lambda side: side[0]).popleft()
            taken.append(at)
            total += float(differences[at])
        return candidates[taken]

    def check(self, taken: "Rows", pool: Pool) -> None:
        """Raises StudyError if the mean difference of length is more than 0.25 standard deviations from 0."""
        import numpy as np

        differences, unit = _lengths(pool)
        known = differences[~np.isnan(differences)]
        mean, deviation = float(differences[taken].mean()), pstdev(known.tolist())
        if abs(mean) > CALIPER * deviation:
            than = "longer" if mean > 0 else "shorter"
            raise StudyError(
                f"selection {self.name!r}: the chosen traces of its pairs are {abs(mean):.1f} {unit} {than} than the "
                f"rejected ones, on the mean. All {len(known)} eligible pairs differ by a standard deviation of "
                f"{deviation:.1f} {unit}, and {CALIPER} of it are allowed. Select fewer pairs, or leave it out."
            )


class Alike(_EquallyLong):
    FORM = "alike-<k>"
    ABOUT = (
        "k pairs whose sides are both right or both wrong, and on the whole equally long: is it more than length and "
        "correctness?"
    )

    def wants(self, chosen: "NDArray[np.int64]", rejected: "NDArray[np.int64]") -> "NDArray[np.bool_]":
        import numpy as np

        return np.equal(chosen, rejected)


class RightOverWrong(_EquallyLong):
    FORM = "right-over-wrong-<k>"
    ABOUT = (
        "k pairs whose chosen side is right and rejected side wrong, on the whole equally long: beside `alike`, it is "
        "correctness without length"
    )

    def wants(self, chosen: "NDArray[np.int64]", rejected: "NDArray[np.int64]") -> "NDArray[np.bool_]":
        return chosen > rejected


def _lengths(pool: Pool) -> "tuple[NDArray[np.float64], str]":
    """(The difference in length of each of the pool's pairs, or NaN; the unit): of eligible pairs alone."""
    import numpy as np
    import pyarrow as pa

    differences = np.full(len(pool.pairs), np.nan)
    differences[pool.eligible], unit = length_column(pool.pairs.take(pa.array(pool.eligible)))
    return differences, unit
