"""The names of arms and pairings: the one place where they are put together and taken apart.

A pairing reads `<chosen generator>~<rejected generator>`, an arm `<policy>/<pairing>/<selection>/<recipe>/s<seed>`. The
untrained policy, which is evaluated beside the arms, reads `<policy>/base`, and `<policy>/base@<temperature>` where it
answers at a temperature other than the arms' own. `core.pairs.selections` reads the names of selections.

`<generator>@<draw>`, with a draw from 1, is another draw of a generator's traces: the same model with other seeds. The
bare name is draw 0. Both generators of a pairing have the same draw: `g3@1~g0@1`.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import Self

from prefdelta.core.errors import StudyError

PAIRING_FORM = "<chosen>~<rejected>"
ARM_FORM = f"<policy>/{PAIRING_FORM}/<selection>/<recipe>/s<seed>"
BASE_FORM = "<policy>/base"
SHARPENED_FORM = f"{BASE_FORM}@<temperature>"

_PART = r"[^/~]+"
_DRAWN = re.compile(r"([^/~@]+)@([1-9][0-9]*)")
_PAIRING = re.compile(rf"({_PART})~({_PART})")
_ARM = re.compile(rf"({_PART})/({_PART}~{_PART})/({_PART})/({_PART})/s(0|[1-9][0-9]*)")
_BASE = re.compile(rf"({_PART})/base(?:@({_PART}))?")


def drawn(generator: str, draw: int) -> str:
    """The name of a draw of a generator's traces: `g3@1`, or `g3` for draw 0. generator: without a draw."""
    return f"{generator}@{draw}" if draw else generator


def undrawn(generator: str) -> str:
    """A generator's name without its draw: `g3` of `g3@1`."""
    return _split(generator)[0]


def draw_of(generator: str) -> int:
    """The draw that a generator's name names: 1 of `g3@1`, 0 of `g3`."""
    return _split(generator)[1]


def _split(generator: str) -> tuple[str, int]:
    match = _DRAWN.fullmatch(generator)
    return (match[1], int(match[2])) if match else (generator, 0)


@dataclass(frozen=True, slots=True)
class Pairing:
    """The generator of the chosen traces and that of the rejected ones, in one draw. They may be the same generator.

    Raises StudyError for generators in different draws.
    """

    chosen: str
    rejected: str

    def __post_init__(self) -> None:
        if draw_of(self.chosen) != draw_of(self.rejected):
            raise StudyError(
                f"the pairing {str(self)!r} mixes two draws of traces; both generators need the same one, as in "
                "g3@1~g0@1."
            )

    @classmethod
    def parse(cls, name: str) -> Self:
        """Raises StudyError for a name of another form, or of generators in different draws."""
        if match := _PAIRING.fullmatch(name):
            return cls(*match.groups())
        raise StudyError(f"{name!r} is not the name of a pairing; they read {PAIRING_FORM}.")

    def __str__(self) -> str:
        return f"{self.chosen}~{self.rejected}"

    @property
    def generators(self) -> tuple[str, ...]:
        """The pairing's generators, each once, with their draw: chosen, then rejected."""
        return tuple(dict.fromkeys((self.chosen, self.rejected)))

    @property
    def draw(self) -> int:
        """Which draw of its generators' traces it pairs."""
        return draw_of(self.chosen)

    @property
    def undrawn(self) -> Self:
        """The same generators in draw 0."""
        return self.at(0)

    def at(self, draw: int) -> Self:
        """The same generators in another draw of their traces."""
        return type(self)(*(drawn(undrawn(name), draw) for name in (self.chosen, self.rejected)))

    @property
    def axes(self) -> Mapping[str, str]:
        """Its axes in the paths of `core.layout`."""
        return {"chosen": self.chosen, "rejected": self.rejected}


@dataclass(frozen=True, slots=True)
class Arm:
    """One trained policy: its base, its pairs, its recipe and its seed."""

    policy: str
    pairing: Pairing
    selection: str
    recipe: str
    seed: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Raises StudyError for a name of another form."""
        if match := _ARM.fullmatch(name):
            policy, pairing, selection, recipe, seed = match.groups()
            return cls(policy, Pairing.parse(pairing), selection, recipe, int(seed))
        raise StudyError(f"{name!r} is not the name of an arm; they read {ARM_FORM}.")

    def __str__(self) -> str:
        return f"{self.policy}/{self.pairing}/{self.selection}/{self.recipe}/s{self.seed}"

    @property
    def family(self) -> str:
        """The name without draw and seed: arms of one family are repeats of each other."""
        return f"{self.policy}/{self.pairing.undrawn}/{self.selection}/{self.recipe}"

    @property
    def draw(self) -> int:
        """Which draw of its generators' traces it trains on."""
        return self.pairing.draw

    @property
    def base(self) -> "Base":
        """The untrained policy that the arm starts from."""
        return Base(self.policy)

    @property
    def axes(self) -> Mapping[str, str]:
        """Its axes in the paths of `core.layout`."""
        return {
            "policy": self.policy,
            **self.pairing.axes,
            "selection": self.selection,
            "recipe": self.recipe,
            "seed": str(self.seed),
        }


@dataclass(frozen=True, slots=True)
class Base:
    """An untrained policy, by its name among the arms."""

    policy: str
    temperature: float | None = None  # at which it answers; None: the temperature at which the arms answer

    def __str__(self) -> str:
        return f"{self.policy}/base" if self.temperature is None else f"{self.policy}/base@{self._degrees}"

    @property
    def axes(self) -> Mapping[str, str]:
        """Its axes in the paths of `core.layout`."""
        return {"policy": self.policy} | ({} if self.temperature is None else {"temperature": self._degrees})

    @property
    def _degrees(self) -> str:
        """The temperature as it is written in names: 0.7, and 1 for 1.0."""
        return repr(self.temperature).removesuffix(".0")


def parse_arm(name: str) -> Arm | Base:
    """A trained arm or an untrained policy, from its name. Raises StudyError for a name of another form."""
    if match := _BASE.fullmatch(name):
        policy, degrees = match.groups()
        with suppress(ValueError):
            base = Base(policy, None if degrees is None else float(degrees))
            if str(base) == name and isfinite(base.temperature or 0.0):
                return base
    if _ARM.fullmatch(name):
        return Arm.parse(name)
    raise StudyError(f"{name!r} is not the name of an arm; they read {ARM_FORM}, {BASE_FORM} or {SHARPENED_FORM}.")
