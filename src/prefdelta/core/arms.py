"""The names of arms and pairings: the one place where they are put together and taken apart.

A pairing reads `<chosen generator>~<rejected generator>`, an arm `<policy>/<pairing>/<selection>/<recipe>/s<seed>`. The
untrained policy, which is evaluated beside the arms, reads `<policy>/base`. What a selection's name says stands in
`core.pairs.selections`.
"""

from dataclasses import dataclass
from typing import Self

from prefdelta.core.errors import StudyError

PAIRING_FORM = "<chosen>~<rejected>"
ARM_FORM = f"<policy>/{PAIRING_FORM}/<selection>/<recipe>/s<seed>"
BASE_FORM = "<policy>/base"


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two generators, or one with itself: whose traces are chosen, and whose are rejected."""

    chosen: str
    rejected: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """Raises StudyError for a name of another form."""
        match name.split("~"):
            case [chosen, rejected] if chosen and rejected and "/" not in name:
                return cls(chosen, rejected)
        raise StudyError(f"{name!r} is not the name of a pairing; they read {PAIRING_FORM}.")

    def __str__(self) -> str:
        return f"{self.chosen}~{self.rejected}"

    @property
    def generators(self) -> tuple[str, ...]:
        """Its generators, each once: chosen, then rejected."""
        return tuple(dict.fromkeys((self.chosen, self.rejected)))


@dataclass(frozen=True, slots=True)
class Arm:
    """One trained policy: what it is trained from, on which pairs, how, and with which seed."""

    policy: str
    pairing: Pairing
    selection: str
    recipe: str
    seed: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Raises StudyError for a name of another form."""
        match name.split("/"):
            case [policy, pairing, selection, recipe, seed] if seed[:1] == "s" and seed[1:].isdecimal():
                return cls(policy, Pairing.parse(pairing), selection, recipe, int(seed[1:]))
        raise StudyError(f"{name!r} is not the name of an arm; they read {ARM_FORM}.")

    def __str__(self) -> str:
        return f"{self.family}/s{self.seed}"

    @property
    def family(self) -> str:
        """The name without the seed."""
        return f"{self.policy}/{self.pairing}/{self.selection}/{self.recipe}"

    @property
    def base(self) -> "Base":
        """The policy that it is trained from."""
        return Base(self.policy)


@dataclass(frozen=True, slots=True)
class Base:
    """An untrained policy, as it is named among the arms."""

    policy: str

    def __str__(self) -> str:
        return f"{self.policy}/base"


def parse_arm(name: str) -> Arm | Base:
    """A trained arm or an untrained policy, from its name. Raises StudyError for a name of another form."""
    match name.split("/"):
        case [policy, "base"] if policy:
            return Base(policy)
        case [_, _, _, _, _]:
            return Arm.parse(name)
    raise StudyError(f"{name!r} is not the name of an arm; they read {ARM_FORM}, or {BASE_FORM}.")
