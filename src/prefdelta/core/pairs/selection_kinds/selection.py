"""What every kind of selection has: the form of its names, a line for the docs, and a rule that takes pairs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

from prefdelta.core.ids import fraction
from prefdelta.records.pair import Pair

# The parts that a form can have, as regular expressions whose groups are attributes of `Selection`. A number has only
# one spelling: top-mean-05 and top-mean-5 would be two arms with the same pairs.
_PARTS = {
    "<dimension>": r"(?P<dimension>[a-z][a-z0-9_]*(?:@[a-z][a-z0-9_]*)?)",  # of another judge: <dimension>@<judge>
    "<k>": r"(?P<k>[1-9][0-9]*)",
    "<seed>": r"(?P<seed>0|[1-9][0-9]*)",
    "<right|wrong>-<right|wrong>": r"(?P<cell>(?:right|wrong)-(?:right|wrong))",
    "<set>": r"(?P<set>[a-z][a-z0-9_]*)",
}
_ANY_PART = re.compile(f"({'|'.join(map(re.escape, _PARTS))})")


@dataclass(frozen=True, slots=True)
class Pool:
    """The pairs of one pairing, from which a selection takes some."""

    pairs: Sequence[Pair]  # with the pairs of the correctness cells
    eligible: Mapping[str, Pair]  # the eligible pool pairs, by pair_id
    deltas: Mapping[str, float]  # by pair_id: of eligible pairs, on the selection's dimension
    tie_seed: int
    common: Collection[str] = ()  # prompts that all pairings of a common set share
    limit: int | None = None  # largest number of prompts of a common set or of a cell
    dimension: str | None = None  # of the deltas
    order: int = 0  # which of the orders of equal deltas

    def tie(self, name: str) -> float:
        """The place of a pair or a prompt among its equals: a number in [0, 1).

        Each dimension and each order is a draw of its own: with one draw for all, the top sets of unrelated dimensions
        would share the pairs that come first in it. Prompts have one draw, the same for all pairings.
        """
        if self.dimension is None:
            return fraction("ties", self.tie_seed, name)
        return fraction("ties", self.dimension, self.tie_seed, self.order, name)


@dataclass(frozen=True)
class Selection(ABC):
    """A selection's name, taken apart. A subclass is a kind."""

    name: str
    dimension: str | None = None  # the selection needs the deltas on this dimension
    k: int | None = None  # number of pairs
    seed: int | None = None
    cell: str | None = None
    set: str | None = None  # the selection needs the prompts that the pairings of this set share

    FORM: ClassVar[str]  # of the names, with parts in angle brackets
    ABOUT: ClassVar[str]  # which pairs it takes, for the docs
    SWAPS: ClassVar[bool] = False  # train with chosen and rejected exchanged
    BLIND: ClassVar[bool] = False  # goes by neither deltas nor grades
    CONTROL: ClassVar[bool] = False  # other selections of its size are compared with it
    DRAWS_TIES: ClassVar[bool] = False  # takes some of the pairs that are equal to it, drawn anew by each training seed

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The selection of a name; None if the name has another form."""
        match = _pattern(cls.FORM).fullmatch(name)
        if match is None:
            return None
        parts: dict[str, str] = match.groupdict()
        k, seed = (int(parts[part]) if part in parts else None for part in ("k", "seed"))
        return cls(name, parts.get("dimension"), k, seed, parts.get("cell"), parts.get("set"))

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
        """The beginning of the kind's names: all, top, length-matched ..."""
        return self.FORM.partition("-<")[0]

    @property
    def family(self) -> str:
        """The name without the seed of a draw: selections of one family are repeats of each other."""
        return self.name

    @property
    def label(self) -> str:
        """The name in figures."""
        return self.family

    @abstractmethod
    def candidates(self, pool: Pool) -> list[str]:
        """The pair_ids that can be taken, best first. Equal ones are ordered by `pool.tie`, never by files or ids."""

    def take(self, candidates: list[str], pool: Pool) -> list[str]:
        """The candidates that are taken, best first. There are at least k candidates."""
        return candidates[: self.k]


@cache
def _pattern(form: str) -> re.Pattern[str]:
    return re.compile("".join(_PARTS.get(text) or re.escape(text) for text in _ANY_PART.split(form)))


def _attribute(part: str) -> str:
    """The attribute that holds a part of a form."""
    return next(iter(re.compile(_PARTS[part]).groupindex))
