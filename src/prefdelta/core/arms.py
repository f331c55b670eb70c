"""The names of arms and pairings: the one place where they are put together and taken apart.

A pairing reads `<chosen generator>~<rejected generator>`, an arm `<policy>/<pairing>/<selection>/<recipe>/s<seed>`. The
untrained policy, which is evaluated beside the arms, reads `<policy>/base`, and `<policy>/base@<temperature>` where it
answers at a temperature other than the arms' own. `core.pairs.selections` reads the names of selections.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from prefdelta.core.errors import StudyError

PAIRING_FORM = "<chosen>~<rejected>"
ARM_FORM = f"<policy>/{PAIRING_FORM}/<selection>/<recipe>/s<seed>"
BASE_FORM = "<policy>/base"
SHARPENED_FORM = f"{BASE_FORM}@<temperature>"

_PART = r"[^/~]+"
_PAIRING = re.compile(rf"({_PART})~({_PART})")
_ARM = re.compile(rf"({_PART})/({_PART}~{_PART})/({_PART})/({_PART})/s(0|[1-9][0-9]*)")
_BASE = re.compile(rf"({_PART})/base(?:@({_PART}))?")


@dataclass(frozen=True, slots=True)
class Pairing:
    """The generator of the chosen traces and that of the rejected ones. They may be the same."""

    chosen: str
    rejected: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """Raises StudyError for a name of another form."""
        if match := _PAIRING.fullmatch(name):
            return cls(*match.groups())
        raise StudyError(f"{name!r} is not the name of a pairing; they read {PAIRING_FORM}.")

    def __str__(self) -> str:
        return f"{self.chosen}~{self.rejected}"

    @property
    def generators(self) -> tuple[str, ...]:
        """The pairing's generators, each once: chosen, then rejected."""
        return tuple(dict.fromkeys((self.chosen, self.rejected)))

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
        return f"{self.family}/s{self.seed}"

    @property
    def family(self) -> str:
        """The name without the seed."""
        return f"{self.policy}/{self.pairing}/{self.selection}/{self.recipe}"

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
            if str(base := Base(policy, None if degrees is None else float(degrees))) == name:
                return base
    if _ARM.fullmatch(name):
        return Arm.parse(name)
    raise StudyError(f"{name!r} is not the name of an arm; they read {ARM_FORM}, {BASE_FORM} or {SHARPENED_FORM}.")
