"""What every kind of selection has: the form of its names, a line for the docs, and a rule that takes pairs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar, Self

from prefdelta.core.ids import fraction
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair

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
_ANY_PART = re.compile(f"({'|'.join(map(re.escape, _PARTS))})")


@dataclass(frozen=True, slots=True)
class Pool:
    """The pairs of one pairing, from which a selection takes some."""

    pairs: Sequence[Pair]  # with the pairs of the correctness cells
    eligible: Mapping[str, Pair]  # the eligible pool pairs, by pair_id
    deltas: Mapping[str, Delta]  # by pair_id: of eligible pairs, on the selection's dimension; none is a failure
    tie_seed: int
    common: Collection[str] = ()  # prompts that all pairings of a common set share
    limit: int | None = None  # largest number of prompts of a common set or of a cell
    draw: tuple[str, ...] = ()  # names the draw among equal pairs
    order: int = 0  # which of the orders of equal pairs
    pass_rates: Mapping[str, float] = field(default_factory=dict)  # by prompt_id: of the rejected generator
    logps: Mapping[str, float] = field(default_factory=dict)  # by pair_id: nats per token of the rejected trace

    def tie(self, name: str) -> float:
        """The place of a pair or a prompt among its equals: a number in [0, 1).

        Each dimension and each order is a draw of its own: with one draw for all, the top sets of unrelated dimensions
        would share the pairs that come first in it. Prompts have one draw, the same for all pairings.
        """
        if not self.draw:
            return fraction("ties", self.tie_seed, name)
        return fraction("ties", *self.draw, self.tie_seed, self.order, name)


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
    def candidates(self, pool: Pool) -> list[str]:
        """The pair_ids that can be taken, best first. Equal ones are ordered by `pool.tie`, never by files or ids."""

    def take(self, candidates: list[str], pool: Pool) -> list[str]:
        """The candidates that are taken, best first. There are at least k candidates."""
        return candidates[: self.k]

    def check(self, taken: Sequence[str], pool: Pool) -> None:
        """Raises StudyError if the pairs that are taken are not what the kind promises. Most promise nothing more."""
        return


@cache
def _pattern(form: str) -> re.Pattern[str]:
    return re.compile("".join(_PARTS.get(text) or re.escape(text) for text in _ANY_PART.split(form)))


def _attribute(part: str) -> str:
    """The attribute that holds a part of a form."""
    return next(iter(re.compile(_PARTS[part]).groupindex))
