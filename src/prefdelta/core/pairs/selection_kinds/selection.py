"""What every kind of selection has: the form of its names, a line for the docs, and a rule that takes pairs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Self

from prefdelta.core.ids import fraction
from prefdelta.records.pair import Pair

# The parts that a form can have, as regular expressions whose groups are attributes of `Selection`. A number has one
# spelling: top-mean-05 would be another arm than top-mean-5, with the same pairs.
_PARTS = {
    "<dimension>": r"(?P<dimension>[a-z][a-z0-9_]*)",
    "<k>": r"(?P<k>[1-9][0-9]*)",
    "<seed>": r"(?P<seed>0|[1-9][0-9]*)",
    "<right|wrong>-<right|wrong>": r"(?P<cell>(?:right|wrong)-(?:right|wrong))",
    "<set>": r"(?P<set>[a-z][a-z0-9_]*)",
}
_ANY_PART = re.compile(f"({'|'.join(map(re.escape, _PARTS))})")


@dataclass(frozen=True, slots=True)
class Pool:
    """What a selection takes its pairs from: the pairs of one pairing."""

    pairs: Sequence[Pair]  # those of the correctness cells included
    eligible: Mapping[str, Pair]  # the eligible pool pairs, by pair_id
    deltas: Mapping[str, float]  # by pair_id, on the selection's dimension: of those eligible pairs that have one
    tie_seed: int
    common: Collection[str] = ()  # prompts that all pairings of a common set share
    limit: int | None = None  # at most so many prompts of a common set or of a cell

    def tie(self, name: str) -> float:
        """The place of a pair or a prompt among its equals: a number in [0, 1), drawn by `tie_seed`."""
        return fraction("ties", self.tie_seed, name)


@dataclass(frozen=True)
class Selection(ABC):
    """A selection's name, taken apart. A subclass is a kind."""

    name: str
    dimension: str | None = None  # the selection needs the deltas on it
    k: int | None = None  # pairs
    seed: int | None = None
    cell: str | None = None
    set: str | None = None  # the selection needs the prompts that the pairings of this set share

    FORM: ClassVar[str]  # of the names, with parts in angle brackets
    ABOUT: ClassVar[str]  # which pairs it takes, for the docs
    SWAPS: ClassVar[bool] = False  # train with chosen and rejected exchanged
    BLIND: ClassVar[bool] = False  # goes by neither deltas nor grades
    CONTROL: ClassVar[bool] = False  # other selections of its size are compared with it

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """None if the name has another form."""
        match = _pattern(cls.FORM).fullmatch(name)
        if match is None:
            return None
        parts: dict[str, str] = match.groupdict()
        k, seed = (int(parts[part]) if part in parts else None for part in ("k", "seed"))
        return cls(name, parts.get("dimension"), k, seed, parts.get("cell"), parts.get("set"))

    @classmethod
    def of(cls, **parts: str | int) -> Self:
        """The selection of these parts, e.g. `Top.of(dimension="mean", k=5)`. Raises ValueError if they give none."""
        name = _ANY_PART.sub(lambda match: str(parts.get(_attribute(match[0]))), cls.FORM)
        selection = cls.parse(name)
        if selection is None:
            raise ValueError(f"{name!r} does not read {cls.FORM}")
        return selection

    @property
    def kind(self) -> str:
        """What its names begin with: all, top, length-matched ..."""
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
        """The pair_ids that can be taken, best first. Equals go by `pool.tie`, never by the order of files or ids."""

    def take(self, candidates: list[str], pool: Pool) -> list[str]:
        """Those of the candidates that are taken, best first; there are k of them at least."""
        return candidates[: self.k]


@cache
def _pattern(form: str) -> re.Pattern[str]:
    return re.compile("".join(_PARTS.get(text) or re.escape(text) for text in _ANY_PART.split(form)))


def _attribute(part: str) -> str:
    """The attribute that holds a part of a form."""
    return next(iter(re.compile(_PARTS[part]).groupindex))
