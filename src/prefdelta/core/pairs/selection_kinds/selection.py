"""What every kind of selection has: the form of its names, a line for the docs, and a rule that takes pairs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Self

from prefdelta.core.pairs.hashing import fractions
from prefdelta.core.pairs.joining import column

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]  # numbers of rows of a pool's pairs

# The parts that a form can have, as regular expressions whose groups are attributes of `Selection`. A number has only
# one spelling: top-mean-05 and top-mean-5 would be two arms with the same pairs.
_PARTS = {
    "<dimension>": r"(?P<dimension>[a-z][a-z0-9_]*(?:@[a-z][a-z0-9_]*)?)",  # of another judge: <dimension>@<judge>
    "<k>": r"(?P<k>[1-9][0-9]*)",
    "<seed>": r"(?P<seed>0|[1-9][0-9]*)",
    "<right|wrong>-<right|wrong>": r"(?P<cell>(?:right|wrong)-(?:right|wrong))",
    "<set>": r"(?P<set>[a-z][a-z0-9_]*)",
    "<length|correctness|difficulty|all>": r"(?P<on>length|correctness|difficulty|all)",
    "<policy>": r"(?P<policy>[A-Za-z0-9][A-Za-z0-9._-]*)",
}
COLUMNS = ("pair_id", "pool", "eligible")  # of pairs, which every kind needs
_ANY_PART = re.compile(f"({'|'.join(map(re.escape, _PARTS))})")


@dataclass(frozen=True, slots=True)
class Pool:
    """The pairs of one pairing, from which a selection takes some."""

    pairs: "pa.Table"  # of Pair, with the pairs of the correctness cells: COLUMNS, and those that the kind NEEDS
    eligible: "Rows"  # the eligible pool pairs
    deltas: "Mapping[str, NDArray[np.float64]]"  # delta, chosen_score and rejected_score of each of the pairs, or NaN
    tie_seed: int
    common: Collection[str] = ()  # prompts that all pairings of a common set share
    limit: int | None = None  # largest number of prompts of a common set or of a cell
    draw: tuple[str, ...] = ()  # names the draw among equal pairs
    order: int = 0  # which of the orders of equal pairs
    pass_rates: Mapping[str, float] = field(default_factory=dict)  # by prompt_id: of the rejected generator
    logps: Mapping[str, float] = field(default_factory=dict)  # by pair_id: nats per token of the rejected trace

    def drawn(self, rows: "Rows", *parts: object, by: str = "pair_id") -> "NDArray[np.float64]":
        """A number in [0, 1) for each of some pairs, drawn by hashing the parts and its id or its prompt's."""
        import pyarrow as pa

        return fractions(parts, column(self.pairs, by).take(pa.array(rows)))

    def ties(self, rows: "Rows", by: str = "pair_id") -> "NDArray[np.float64]":
        """The places of pairs, or of their prompts, among their equals: numbers in [0, 1).

        Each dimension and each order is a draw of its own: with one draw for all, the top sets of unrelated dimensions
        would share the pairs that come first in it. Prompts have one draw, the same for all pairings.
        """
        return self.drawn(rows, "ties", *self.draw, self.tie_seed, *([self.order] if self.draw else []), by=by)

    def best(self, rows: "Rows", keys: "NDArray[np.float64]", k: int) -> "Rows":
        """The k pairs with the smallest keys, in their order; equal ones in that of `ties`. There are at least k."""
        import numpy as np

        near = keys <= np.partition(keys, k - 1)[k - 1]
        rows, keys = rows[near], keys[near]
        _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        equal = sizes[group] > 1
        ties = np.zeros(len(rows))
        ties[equal] = self.ties(rows[equal])  # a hash per pair, only where it decides
        return rows[np.lexsort((ties, keys))][:k]


@dataclass(frozen=True)
class Selection(ABC):
    """A selection's name, taken apart. A subclass is a kind."""

    name: str
    dimension: str | None = None  # the selection needs the deltas on this dimension
    k: int | None = None  # number of pairs
    seed: int | None = None
    cell: str | None = None
    set: str | None = None  # the selection needs the prompts that the pairings of this set share
    on: str | None = None  # what a matched selection has in common with the top set
    policy: str | None = None  # the selection needs the reference log-probabilities under this policy

    FORM: ClassVar[str]  # of the names, with parts in angle brackets
    ABOUT: ClassVar[str]  # which pairs it takes, for the docs
    SWAPS: ClassVar[bool] = False  # train with chosen and rejected exchanged
    BLIND: ClassVar[bool] = False  # goes by neither deltas nor grades
    CONTROL: ClassVar[bool] = False  # other selections of its size are compared with it
    DRAWS_TIES: ClassVar[bool] = False  # takes some of the pairs that are equal to it, drawn anew by each training seed
    MATCHES: ClassVar[bool] = False  # takes pairs outside of a top set that are like it; needs the pass rates
    NEEDS: ClassVar[Collection[str]] = ()  # columns of pairs, besides COLUMNS

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The selection of a name; None if the name has another form."""
        match = _pattern(cls.FORM).fullmatch(name)
        if match is None:
            return None
        parts: dict[str, str] = match.groupdict()
        k, seed = (int(parts[part]) if part in parts else None for part in ("k", "seed"))
        given = {part: text for part, text in parts.items() if part not in ("k", "seed")}
        return cls(name=name, k=k, seed=seed, **given)

    @classmethod
    def of(cls, **parts: str | int) -> Self:
        """The selection with these parts, e.g. `Top.of(dimension="mean", k=5)`. Raises ValueError if there is none."""
        name = _ANY_PART.sub(lambda match: str(parts.get(_attribute(match[0]))), cls.FORM)
        selection = cls.parse(name)
        if selection is None:
            raise ValueError(f"{name!r} does not read {cls.FORM}")
        return selection

    @property
    def kind(self) -> str:
        """The beginning of the kind's names: all, top, top-chosen ..."""
        return self.FORM.partition("-<")[0]

    @property
    def draw(self) -> tuple[str, ...]:
        """What names the draw among equal pairs; kinds that name it alike have one draw."""
        return () if self.dimension is None else (self.dimension,)

    @property
    def family(self) -> str:
        """The name without the seed of a draw: selections of one family are repeats of each other."""
        return self.name

    @property
    def label(self) -> str:
        """The name in figures."""
        return self.family

    @abstractmethod
    def candidates(self, pool: Pool) -> "Rows":
        """The pairs that can be taken."""

    @abstractmethod
    def take(self, candidates: "Rows", pool: Pool) -> "Rows":
        """The candidates that are taken, best first. There are at least k candidates, and at least one.

        Equal ones are ordered by `pool.ties`, never by files or ids.
        """

    def check(self, taken: "Rows", pool: Pool) -> None:
        """Raises StudyError if the pairs that are taken are not what the kind promises. Most promise nothing more."""
        return


@cache
def _pattern(form: str) -> re.Pattern[str]:
    return re.compile("".join(_PARTS.get(text) or re.escape(text) for text in _ANY_PART.split(form)))


def _attribute(part: str) -> str:
    """The attribute that holds a part of a form."""
    return next(iter(re.compile(_PARTS[part]).groupindex))
